package dev.mvpose.demo.pose

import android.os.SystemClock
import dev.mvpose.core.AccelerationReport
import dev.mvpose.core.Accelerator
import dev.mvpose.core.DamagedOutput
import dev.mvpose.core.Frame
import dev.mvpose.core.LatencyRecorder
import dev.mvpose.core.ModelDescription
import dev.mvpose.core.PosePipeline
import dev.mvpose.demo.model.ModelEntry
import dev.mvpose.demo.runtime.LiteRtNetwork
import dev.mvpose.demo.runtime.NS_PER_MS
import dev.mvpose.demo.runtime.Trial

/**
 * A model that runs: frames in, sheets out. Only the inference thread touches it.
 *
 * @property trial by which it was started
 * @property report which accelerator it is, and why
 */
internal class PoseRunner(
    val entry: ModelEntry,
    val description: ModelDescription,
    val trial: Trial,
    val report: AccelerationReport,
    private val network: LiteRtNetwork,
    private val io: NetworkIo,
) : AutoCloseable {
    val pipeline = PosePipeline(description)
    val sheet = PoseSheet(description.skeleton, description.decode.scoreFloor)
    val accelerator: Accelerator
        get() = trial.attempt.accelerator

    /** Of the newest frame. */
    var cropMs = 0.0
        private set
    var inferenceMs = 0.0
        private set
    var decodeMs = 0.0
        private set

    private val crops = LatencyRecorder()
    private val inferences = LatencyRecorder()
    private val decodings = LatencyRecorder()

    /** Take from [frame] what is needed; it can be given back then. */
    fun look(frame: Frame, mirror: Boolean) {
        val begin = SystemClock.elapsedRealtimeNanos()
        pipeline.prepare(frame, io.crop)
        cropMs = record(crops, begin)
        sheet.setFrame(frame.width, frame.height, frame.rotationDegrees, mirror)
        sheet.box.set(pipeline.box)
    }

    /**
     * Find the pose in the frame looked at last; [sheet] then holds it.
     *
     * @throws DamagedOutput the network gave something that holds no pose
     */
    fun find(timeNs: Long) {
        val begin = SystemClock.elapsedRealtimeNanos()
        val heatmaps = io.run(network)
        inferenceMs = record(inferences, begin)
        val inferred = SystemClock.elapsedRealtimeNanos()
        sheet.pose.set(pipeline.read(heatmaps, timeNs))
        decodeMs = record(decodings, inferred)
    }

    /** Medians of the last frames. */
    fun times() =
        Times(
            crops.medianMs,
            inferences.medianMs,
            decodings.medianMs,
            decodings.framesPerSecond,
        )

    /** Another source of frames follows. */
    fun reset() {
        pipeline.reset()
        crops.clear()
        inferences.clear()
        decodings.clear()
    }

    override fun close() = network.close()

    private fun record(times: LatencyRecorder, begin: Long): Double {
        val end = SystemClock.elapsedRealtimeNanos()
        val milliseconds = (end - begin) / NS_PER_MS
        times.record(milliseconds, end)
        return milliseconds
    }
}

/** What the screen tells of speed. */
class Times(
    val cropMs: Double,
    val inferenceMs: Double,
    val decodeMs: Double,
    val framesPerSecond: Double,
)
