package dev.mvpose.core

import kotlin.math.max
import kotlin.math.min
import kotlin.math.round

/** A whole frame as a detector's input. */
class Letterbox(private val adapter: DetectorAdapter) {
    /** From the edges of the upright picture to those of the input, in pixels. */
    val matrix = Affine()

    private val cropper = Cropper(adapter.inputWidth, adapter.inputHeight)
    private val bufferToInput = Affine()
    private val uprightToInput = Affine()
    private val pixels = FloatArray(adapter.inputSize)

    /** Place pictures of this size, so that every edge lies on a whole pixel of the input. */
    fun set(imageWidth: Int, imageHeight: Int) {
        val across = adapter.inputWidth.toDouble() / imageWidth
        val down = adapter.inputHeight.toDouble() / imageHeight
        val stretch = adapter.place == DetectorAdapter.Place.STRETCH
        val width = side(imageWidth, if (stretch) across else min(across, down))
        val height = side(imageHeight, if (stretch) down else min(across, down))
        val centre = adapter.place == DetectorAdapter.Place.CENTRE
        val left = if (centre) (adapter.inputWidth - width) / 2 else 0
        val top = if (centre) (adapter.inputHeight - height) / 2 else 0
        matrix.set(
            width.toDouble() / imageWidth,
            0.0,
            left.toDouble(),
            0.0,
            height.toDouble() / imageHeight,
            top.toDouble(),
        )
    }

    /**
     * Make the network's input.
     *
     * @param into normalised, in the adapter's layout and order of channels, without batch
     */
    fun prepare(frame: Frame, into: FloatArray) {
        require(into.size == pixels.size) {
            "the detector's input has ${pixels.size} values, there is room for ${into.size}"
        }
        set(frame.uprightWidth, frame.uprightHeight)
        uprightToInput.set(
            matrix.xx,
            0.0,
            matrix.mapX(0.5, 0.5) - 0.5,
            0.0,
            matrix.yy,
            matrix.mapY(0.5, 0.5) - 0.5,
        )
        CropGeometry.uprightMatrix(frame, bufferToInput)
        bufferToInput.setProduct(uprightToInput, bufferToInput)
        cropper.crop(frame, bufferToInput, pixels, adapter.fill)
        normalise(into)
    }

    private fun normalise(into: FloatArray) {
        val area = adapter.inputWidth * adapter.inputHeight
        for (c in 0 until Cropper.CHANNELS) {
            val from = if (adapter.bgr) Cropper.CHANNELS - 1 - c else c
            val first = if (adapter.channelsFirst) c * area else c
            val step = if (adapter.channelsFirst) 1 else Cropper.CHANNELS
            for (i in 0 until area) {
                val value = pixels[i * Cropper.CHANNELS + from]
                into[first + i * step] = (value - adapter.mean[c]) / adapter.std[c]
            }
        }
    }

    private fun side(imagePx: Int, scale: Double): Int = max(1, round(imagePx * scale).toInt())
}
