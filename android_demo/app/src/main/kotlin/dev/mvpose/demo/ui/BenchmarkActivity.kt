package dev.mvpose.demo.ui

import android.os.Bundle
import android.view.WindowManager
import android.widget.Button
import android.widget.Spinner
import android.widget.TextView
import dev.mvpose.core.BenchmarkResult
import dev.mvpose.demo.R
import dev.mvpose.demo.benchmark.BenchmarkRun
import dev.mvpose.demo.benchmark.resultText
import dev.mvpose.demo.benchmark.shareResult
import dev.mvpose.demo.line
import dev.mvpose.demo.pose.EngineState
import dev.mvpose.demo.pose.PoseRunner
import java.io.IOException

/** Measures the model that is chosen. */
class BenchmarkActivity : PoseActivity(R.layout.benchmark) {
    private lateinit var text: TextView
    private lateinit var runs: Spinner
    private lateinit var start: Button
    private lateinit var share: Button
    private var result: BenchmarkResult? = null
    private var measuring = false

    @Volatile
    private var cancelled = false

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        text = view(R.id.result)
        runs = view(R.id.runs)
        start = view(R.id.start)
        share = view(R.id.share)
        start.setOnClickListener { if (measuring) cancelled = true else measure() }
        share.setOnClickListener { result?.let(::offer) }
    }

    override fun onStop() {
        super.onStop()
        cancelled = true
    }

    /** A change of model ends the run: it would wait for its end otherwise. */
    override fun onState(state: EngineState) {
        super.onState(state)
        if (state is EngineState.Starting) cancelled = true
    }

    private fun measure() {
        cancelled = false
        setMeasuring(true)
        val count = runs.selectedItem.toString().toInt()
        poses.withRunner { runner ->
            val ending =
                runner?.let { run(it, count) } ?: Ending(getString(R.string.not_running))
            runOnUiThread { end(ending) }
        }
    }

    /** On the inference thread. */
    private fun run(runner: PoseRunner, count: Int): Ending {
        val measured = BenchmarkRun(this, runner, count, { tell(it, count) }, { cancelled })
        return try {
            measured.measure()?.let { Ending(resultText(this, it), it) }
                ?: Ending(getString(R.string.stopped))
        } catch (failure: Exception) {
            // Whatever a driver throws ends this run, not the app.
            Ending(failure.line)
        } finally {
            runner.reset()
        }
    }

    private fun tell(done: Int, count: Int) {
        if (done % PROGRESS_EVERY != 0) return
        val line = if (done == 0) R.string.warming else R.string.measuring
        runOnUiThread { text.text = getString(line, done, count) }
    }

    private fun end(ending: Ending) {
        setMeasuring(false)
        result = ending.result
        share.isEnabled = ending.result != null
        text.text = ending.text
    }

    private fun setMeasuring(value: Boolean) {
        measuring = value
        start.setText(if (value) R.string.stop else R.string.start)
        share.isEnabled = !value && result != null
    }

    private fun offer(result: BenchmarkResult) {
        try {
            shareResult(this, result)
        } catch (failure: IOException) {
            tellSource(getString(R.string.share_failed, failure.line))
        }
    }

    private class Ending(val text: String, val result: BenchmarkResult? = null)

    private companion object {
        const val PROGRESS_EVERY = 10
    }
}
