package dev.mvpose.demo.benchmark

import android.content.Context
import dev.mvpose.core.BenchmarkResult
import dev.mvpose.core.LatencyRecorder
import dev.mvpose.demo.R

/** A result for the screen. */
internal fun resultText(context: Context, result: BenchmarkResult): String {
    val facts = result.deviceFacts
    val lines =
        listOfNotNull(
            context.getString(
                R.string.result,
                result.file.name,
                result.inferenceMs.size,
                result.warmUp,
                BenchmarkRun.WIDTH,
                BenchmarkRun.HEIGHT,
            ),
            row(context, R.string.crop, result.cropMs),
            row(context, R.string.inference, result.inferenceMs),
            row(context, R.string.decode, result.decodeMs),
            context.getString(R.string.result_start, facts[INIT], facts[FIRST_RUN]),
            facts[THERMAL_AFTER]?.let {
                context.getString(R.string.result_thermal, facts[THERMAL_BEFORE], it)
            },
            result.marks.takeIf { it.isNotEmpty() }?.let {
                context.getString(R.string.result_marks, it.joinToString("; "))
            },
        )
    return lines.joinToString("\n")
}

/** Keys of a result's device facts, as `mvpose-benchmark` has them. */
internal const val INIT = "init_ms"
internal const val FIRST_RUN = "first_run_ms"
internal const val THERMAL_BEFORE = "thermal_status_before"
internal const val THERMAL_AFTER = "thermal_status"

private fun row(context: Context, step: Int, timesMs: DoubleArray): String {
    val recorder = LatencyRecorder(timesMs.size)
    for (time in timesMs) recorder.record(time, 0)
    val name = context.getString(step)
    return context.getString(R.string.result_row, name, recorder.medianMs, recorder.p90Ms)
}
