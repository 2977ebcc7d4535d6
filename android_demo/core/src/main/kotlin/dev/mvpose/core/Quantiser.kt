package dev.mvpose.core

import kotlin.math.round

/** Between real numbers and what the INT8 tensor of [info] stores. */
class Quantiser(info: TensorInfo) {
    init {
        require(info.dtype == ElementType.INT8) { "a tensor of ${info.dtype} is not quantised" }
    }

    private val scale = info.scale.toFloat()
    private val zeroPoint = info.zeroPoint.toFloat()
    private val storedPixels =
        ByteArray(PIXEL_VALUES) { pixel ->
            (round(pixel / info.scale) + info.zeroPoint).coerceIn(LOWEST, HIGHEST).toInt().toByte()
        }

    /** Pixels, whole numbers 0..255, as the tensor stores them. */
    fun store(pixels: FloatArray, into: ByteArray) {
        requireSame(pixels.size, into.size)
        for (i in into.indices) into[i] = storedPixels[pixels[i].toInt()]
    }

    /** The real numbers of what is [stored]. */
    fun restore(stored: ByteArray, into: FloatArray) {
        requireSame(stored.size, into.size)
        for (i in into.indices) into[i] = (stored[i] - zeroPoint) * scale
    }

    private fun requireSame(given: Int, room: Int) =
        require(given == room) { "$given values, but room for $room" }

    private companion object {
        const val PIXEL_VALUES = 256
        const val LOWEST = -128.0
        const val HIGHEST = 127.0
    }
}
