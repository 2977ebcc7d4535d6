package dev.mvpose.core

import kotlin.math.round

/**
 * Cuts crops of [width] x [height] pixels out of frames: bilinear, in the fixed-point arithmetic of
 * OpenCV's `warpAffine`, to the bit.
 */
class Cropper(val width: Int, val height: Int) {
    private val inverse = Affine()
    private val window = PixelWindow()
    private val stepsX = IntArray(width)
    private val stepsY = IntArray(width)

    /**
     * Cut a crop out of a frame.
     *
     * @param bufferToCrop between pixel centres; not singular
     * @param into RGB 0..255, (height, width, 3)
     * @param outside value of all channels beyond the frame, 0..255
     */
    fun crop(frame: Frame, bufferToCrop: Affine, into: FloatArray, outside: Int = 0) {
        require(into.size == width * height * CHANNELS) {
            "a crop of $width x $height pixels needs ${width * height * CHANNELS} values, " +
                "there is room for ${into.size}"
        }
        inverse.setInverse(bufferToCrop)
        window.load(frame, inverse, width, height)
        for (x in 0 until width) {
            stepsX[x] = fixed(inverse.xx * x)
            stepsY[x] = fixed(inverse.yx * x)
        }
        for (y in 0 until height) cropRow(y, into, outside)
    }

    private fun cropRow(y: Int, into: FloatArray, outside: Int) {
        val startX = fixed(inverse.xy * y + inverse.x0) + HALF_STEP
        val startY = fixed(inverse.yy * y + inverse.y0) + HALF_STEP
        val bytes = window.bytes
        val lastX = window.width - 1
        val lastY = window.height - 1
        val row = window.width * Frame.BYTES
        var at = y * width * CHANNELS
        for (x in 0 until width) {
            val fixedX = (stepsX[x] + startX) shr STEP_BITS
            val fixedY = (stepsY[x] + startY) shr STEP_BITS
            val column = (fixedX shr FRACTION_BITS) - window.left
            val line = (fixedY shr FRACTION_BITS) - window.top
            val right = fixedX and FRACTION_MASK
            val below = fixedY and FRACTION_MASK
            val weight11 = right * below
            val weight10 = below * ONE - weight11
            val weight01 = right * ONE - weight11
            val weight00 = ONE * ONE - weight01 - weight10 - weight11
            if (column in 0 until lastX && line in 0 until lastY) {
                val upper = line * row + column * Frame.BYTES
                val lower = upper + row
                for (c in 0 until CHANNELS) {
                    val sum =
                        weight00 * (bytes[upper + c].toInt() and BYTE) +
                            weight01 * (bytes[upper + Frame.BYTES + c].toInt() and BYTE) +
                            weight10 * (bytes[lower + c].toInt() and BYTE) +
                            weight11 * (bytes[lower + Frame.BYTES + c].toInt() and BYTE)
                    into[at++] = ((sum + HALF) shr SUM_BITS).toFloat()
                }
            } else {
                for (c in 0 until CHANNELS) {
                    val sum =
                        weight00 * pixel(column, line, c, outside) +
                            weight01 * pixel(column + 1, line, c, outside) +
                            weight10 * pixel(column, line + 1, c, outside) +
                            weight11 * pixel(column + 1, line + 1, c, outside)
                    into[at++] = ((sum + HALF) shr SUM_BITS).toFloat()
                }
            }
        }
    }

    private fun pixel(column: Int, line: Int, channel: Int, outside: Int): Int {
        if (column !in 0 until window.width || line !in 0 until window.height) return outside
        return window.bytes[(line * window.width + column) * Frame.BYTES + channel].toInt() and BYTE
    }

    /** Pixels in 1/1024. */
    private fun fixed(pixels: Double): Int = round(pixels * FIXED).toInt()

    companion object {
        /** Of the network's input. */
        const val CHANNELS = 3

        private const val BYTE = 0xFF
        private const val FIXED = 1024.0
        private const val FRACTION_BITS = 5
        private const val ONE = 1 shl FRACTION_BITS
        private const val FRACTION_MASK = ONE - 1
        private const val STEP_BITS = 5
        private const val HALF_STEP = 1 shl (STEP_BITS - 1)
        private const val SUM_BITS = 2 * FRACTION_BITS
        private const val HALF = 1 shl (SUM_BITS - 1)
    }
}
