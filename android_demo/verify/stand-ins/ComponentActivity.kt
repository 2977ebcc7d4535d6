// Stand-ins: signatures of AndroidX Activity without code. See LiteRt.kt.
@file:Suppress("UNUSED_PARAMETER")

package androidx.activity

import android.app.Activity
import androidx.activity.result.ActivityResultCallback
import androidx.activity.result.ActivityResultCaller
import androidx.activity.result.ActivityResultLauncher
import androidx.activity.result.contract.ActivityResultContract
import androidx.lifecycle.Lifecycle
import androidx.lifecycle.LifecycleOwner

open class ComponentActivity :
    Activity(),
    LifecycleOwner,
    ActivityResultCaller {
    override val lifecycle: Lifecycle
        get() = TODO()

    final override fun <I, O> registerForActivityResult(
        contract: ActivityResultContract<I, O>,
        callback: ActivityResultCallback<O>,
    ): ActivityResultLauncher<I> = TODO()
}
