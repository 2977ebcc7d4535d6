package dev.mvpose.core

import java.nio.Buffer
import kotlin.math.ceil
import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min

/**
 * The part of a frame that a crop reads, without the padding of its rows: arrays are read several
 * times faster than a camera's direct buffer.
 */
internal class PixelWindow {
    var left = 0
        private set
    var top = 0
        private set
    var width = 0
        private set
    var height = 0
        private set

    /** (height, width, 4), RGBA; longer than that after larger windows. */
    var bytes = ByteArray(0)
        private set

    /** Copy what a crop of this size reads by [cropToBuffer]; nothing where it lies outside. */
    fun load(frame: Frame, cropToBuffer: Affine, cropWidth: Int, cropHeight: Int) {
        val right = cropWidth - 1.0
        val bottom = cropHeight - 1.0
        val acrossX = cropToBuffer.xx * right
        val downX = cropToBuffer.xy * bottom
        val acrossY = cropToBuffer.yx * right
        val downY = cropToBuffer.yy * bottom
        left = first(cropToBuffer.x0 + min(acrossX, 0.0) + min(downX, 0.0))
        top = first(cropToBuffer.y0 + min(acrossY, 0.0) + min(downY, 0.0))
        width = count(cropToBuffer.x0 + max(acrossX, 0.0) + max(downX, 0.0), left, frame.width)
        height = count(cropToBuffer.y0 + max(acrossY, 0.0) + max(downY, 0.0), top, frame.height)
        copy(frame)
    }

    private fun first(lowest: Double): Int = max(0, (floor(lowest) - MARGIN).toInt())

    private fun count(highest: Double, first: Int, limit: Int): Int =
        max(0, min(limit, (ceil(highest) + MARGIN).toInt()) - first)

    private fun copy(frame: Frame) {
        if (width == 0 || height == 0) return
        val row = width * Frame.BYTES
        if (bytes.size < row * height) {
            bytes = ByteArray(min(GROWTH * row * height, frame.width * frame.height * Frame.BYTES))
        }
        for (y in 0 until height) {
            seek(frame.buffer, (top + y) * frame.rowStride + left * Frame.BYTES)
            frame.buffer.get(bytes, y * row, row)
        }
        seek(frame.buffer, 0)
    }

    /** By the class that had this method before Java 9, as old phones know no other. */
    private fun seek(buffer: Buffer, position: Int) {
        buffer.position(position)
    }

    private companion object {
        /** Pixels for the neighbours and for rounding. */
        const val MARGIN = 2

        /** So that a person who comes nearer does not need a new array for every frame. */
        const val GROWTH = 2
    }
}
