package dev.mvpose.demo.ui

import android.app.Activity
import android.view.View

/** A view that the screen's layout has. */
internal inline fun <reified T : View> Activity.view(id: Int): T {
    val found: View = findViewById(id)
    return found as T
}
