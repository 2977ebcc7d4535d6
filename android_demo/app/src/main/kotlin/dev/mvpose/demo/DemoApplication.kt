package dev.mvpose.demo

import android.app.Application
import android.content.Context
import dev.mvpose.demo.pose.PoseEngine

/** Holds the one engine, which outlives every screen. */
class DemoApplication : Application() {
    val engine by lazy { PoseEngine(this) }
}

val Context.engine: PoseEngine
    get() = (applicationContext as DemoApplication).engine
