package dev.mvpose.demo.benchmark

import android.content.Context
import dev.mvpose.core.Accelerator
import dev.mvpose.core.BenchmarkResult
import dev.mvpose.core.Frame
import dev.mvpose.core.Verdict
import dev.mvpose.core.WarmUp
import dev.mvpose.demo.model.map
import dev.mvpose.demo.model.sha256
import dev.mvpose.demo.pose.PoseRunner
import dev.mvpose.demo.runtime.LiteRtNetwork
import java.nio.ByteBuffer
import java.util.Random

/**
 * Measures the model that runs: warm-up, then [runs] people in pictures of 640 x 480 pixels, one
 * at a time. On the inference thread.
 *
 * @param progress how many runs are done; 0 while warming up
 * @param cancelled asked between runs
 */
internal class BenchmarkRun(
    private val context: Context,
    private val runner: PoseRunner,
    private val runs: Int,
    private val progress: (Int) -> Unit,
    private val cancelled: () -> Boolean,
) {
    private val frame = Frame().apply { set(noise(), WIDTH, HEIGHT, WIDTH * Frame.BYTES, 0) }

    /** The result; null: it was cancelled. Throws what the run-time throws. */
    fun measure(): BenchmarkResult? {
        val crops = DoubleArray(runs)
        val inferences = DoubleArray(runs)
        val decodings = DoubleArray(runs)
        val before = thermalStatus(context)
        val warmUp = WarmUp()
        progress(0)
        do {
            step()
        } while (!warmUp.record(runner.inferenceMs) && !cancelled())
        for (i in 0 until runs) {
            if (cancelled()) return null
            step()
            crops[i] = runner.cropMs
            inferences[i] = runner.inferenceMs
            decodings[i] = runner.decodeMs
            progress(i + 1)
        }
        val after = thermalStatus(context)
        return BenchmarkResult(
            description = runner.description,
            file = file(),
            device = thisDevice(),
            protocol = protocol(),
            warmUp = warmUp.runs,
            settled = warmUp.settled,
            cropMs = crops,
            inferenceMs = inferences,
            decodeMs = decodings,
            deviceFacts = facts(before, after),
            marks = marks(before ?: 0, after ?: 0),
            createdMs = System.currentTimeMillis(),
            version = appVersion(context),
        )
    }

    private fun step() {
        runner.reset()
        runner.look(frame, mirror = false)
        runner.find(0)
    }

    private fun file(): BenchmarkResult.ModelFile {
        val bytes = context.assets.map(runner.entry.path)
        return BenchmarkResult.ModelFile(
            runner.entry.name,
            sha256(bytes),
            bytes.capacity().toLong(),
        )
    }

    private fun protocol(): Map<String, Any> =
        buildMap {
            put("runtime", "LiteRT")
            put("version", liteRtVersion(context))
            put("device", thisDevice().name)
            put("accelerator", runner.accelerator.name.lowercase())
            if (runner.accelerator == Accelerator.CPU) put("threads", LiteRtNetwork.THREADS)
        }

    private fun facts(before: Int?, after: Int?): Map<String, Any> =
        runner.report.facts() +
            buildMap {
                put(INIT, runner.trial.startMs)
                put(FIRST_RUN, runner.trial.firstRunMs)
                before?.let { put(THERMAL_BEFORE, it) }
                after?.let { put(THERMAL_AFTER, it) }
            }

    private fun marks(before: Int, after: Int): List<String> =
        listOfNotNull(
            "the phone was hot at the start".takeIf { before > 0 },
            "the phone became hotter".takeIf { after > before },
            "the phone saved power".takeIf { savesPower(context) },
            "the run-time did not say whether the accelerator was used"
                .takeIf { runner.trial.attempt.verdict == Verdict.UNKNOWN },
            "another accelerator than was asked for".takeIf { runner.report.fellBack },
        )

    private fun noise(): ByteBuffer {
        val bytes = ByteArray(WIDTH * HEIGHT * Frame.BYTES)
        Random(0).nextBytes(bytes)
        return ByteBuffer.allocateDirect(bytes.size).apply { put(bytes) }
    }

    companion object {
        const val WIDTH = 640
        const val HEIGHT = 480
    }
}
