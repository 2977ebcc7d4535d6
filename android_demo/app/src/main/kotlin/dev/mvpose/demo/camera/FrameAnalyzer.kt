package dev.mvpose.demo.camera

import androidx.camera.core.ImageAnalysis
import androidx.camera.core.ImageProxy
import dev.mvpose.core.Frame
import dev.mvpose.demo.pose.PoseEngine

/** Hands camera frames to the engine; runs on its thread and gives each buffer back at once. */
internal class FrameAnalyzer(
    private val engine: PoseEngine,
    private val mirror: Boolean,
    private val onUnusable: (String) -> Unit,
) : ImageAnalysis.Analyzer {
    private val frame = Frame()

    override fun analyze(image: ImageProxy) {
        val timeNs = image.imageInfo.timestamp
        val looked =
            try {
                val plane = image.planes[0]
                val rotation = image.imageInfo.rotationDegrees
                frame.set(plane.buffer, image.width, image.height, plane.rowStride, rotation)
                engine.look(frame, mirror)
            } catch (unusable: IllegalArgumentException) {
                onUnusable(unusable.message.orEmpty())
                false
            } finally {
                image.close()
            }
        if (looked) engine.find(timeNs)
    }
}
