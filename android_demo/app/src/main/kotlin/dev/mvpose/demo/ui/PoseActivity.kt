package dev.mvpose.demo.ui

import android.os.Bundle
import android.view.View
import android.widget.TextView
import androidx.activity.ComponentActivity
import dev.mvpose.demo.R
import dev.mvpose.demo.engine
import dev.mvpose.demo.pose.EngineListener
import dev.mvpose.demo.pose.EngineState
import dev.mvpose.demo.pose.PoseEngine
import dev.mvpose.demo.pose.Times

/** A screen with the lists of models and accelerators, and lines that say what runs how fast. */
abstract class PoseActivity(private val layout: Int) :
    ComponentActivity(),
    EngineListener {
    internal val poses: PoseEngine
        get() = engine

    /** Whether the engine works for this screen; the one before it may still be closing. */
    protected val inFront: Boolean
        get() = poses.listener === this

    private lateinit var bar: ModelBar
    private lateinit var acceleration: TextView
    private lateinit var times: TextView
    private lateinit var trouble: TextView

    /** What is wrong with the source of frames, and with what becomes of them. */
    private var sourceTrouble: String? = null
    private var engineTrouble: String? = null

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(layout)
        acceleration = view(R.id.acceleration)
        times = view(R.id.times)
        trouble = view(R.id.trouble)
        bar = ModelBar(this, poses, ::onTrouble)
    }

    override fun onStart() {
        super.onStart()
        poses.listener = this
        onTrouble(null)
        poses.forget()
        onState(poses.state)
        poses.start()
    }

    override fun onStop() {
        super.onStop()
        if (inFront) poses.listener = null
    }

    override fun onState(state: EngineState) {
        bar.show(state)
        val warn = state is EngineState.Idle || fellBack(state)
        acceleration.text = described(state)
        acceleration.setTextColor(if (warn) getColor(R.color.trouble) else times.currentTextColor)
    }

    override fun onPose() = Unit

    override fun onTimes(times: Times) {
        this.times.text =
            getString(
                R.string.times,
                times.cropMs,
                times.inferenceMs,
                times.decodeMs,
                times.framesPerSecond,
            )
    }

    override fun onTrouble(line: String?) {
        engineTrouble = line
        showTrouble()
    }

    /** One line of what is wrong with the camera or picture, or null once it is over. */
    protected fun tellSource(line: String?) {
        sourceTrouble = line
        showTrouble()
    }

    private fun showTrouble() {
        val lines = listOfNotNull(sourceTrouble, engineTrouble)
        trouble.text = lines.joinToString("\n")
        trouble.visibility = if (lines.isEmpty()) View.GONE else View.VISIBLE
    }

    private fun fellBack(state: EngineState) = state is EngineState.Running && state.report.fellBack

    private fun described(state: EngineState): String {
        if (state is EngineState.Idle) return state.message
        if (state !is EngineState.Running) {
            return getString(R.string.loading, state.entry?.name, state.asked)
        }
        return (listOf(state.report.line) + state.notes).joinToString("\n")
    }
}
