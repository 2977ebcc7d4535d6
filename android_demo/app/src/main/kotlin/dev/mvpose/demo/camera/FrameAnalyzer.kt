package dev.mvpose.demo.camera

import androidx.camera.core.ImageAnalysis
import androidx.camera.core.ImageProxy
import dev.mvpose.core.Frame
import dev.mvpose.demo.line
import dev.mvpose.demo.pose.PoseEngine

/**
 * Hands camera frames to the engine; runs on its thread.
 *
 * A frame is given back once its pose is found: CameraX then hands over the newest one, and has
 * dropped those between. Given back earlier, the next frame would wait, and grow old, in a queue.
 *
 * @param wanted whether the screen of this camera is in front
 */
internal class FrameAnalyzer(
    private val engine: PoseEngine,
    private val mirror: Boolean,
    private val wanted: () -> Boolean,
    private val onUnusable: (String) -> Unit,
) : ImageAnalysis.Analyzer {
    private val frame = Frame()

    override fun analyze(image: ImageProxy) =
        image.use {
            if (wanted() && look(it)) engine.find(it.imageInfo.timestamp)
        }

    private fun look(image: ImageProxy): Boolean =
        try {
            val plane = image.planes[0]
            val rotation = image.imageInfo.rotationDegrees
            frame.set(plane.buffer, image.width, image.height, plane.rowStride, rotation)
            engine.look(frame, mirror)
        } catch (unusable: IllegalArgumentException) {
            onUnusable(unusable.line)
            false
        }
}
