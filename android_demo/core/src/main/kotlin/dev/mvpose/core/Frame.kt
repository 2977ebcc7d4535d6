package dev.mvpose.core

import java.nio.ByteBuffer

/** A camera's buffer, RGBA, four bytes a pixel; one object serves all frames. */
class Frame {
    var buffer: ByteBuffer = ByteBuffer.allocate(0)
        private set

    /** Of the buffer, before it is turned upright. */
    var width = 0
        private set
    var height = 0
        private set

    /** Bytes from one row to the next, at least four times [width]. */
    var rowStride = 0
        private set

    /** 0, 90, 180 or 270: the clockwise turn that makes the picture upright. */
    var rotationDegrees = 0
        private set

    val uprightWidth: Int
        get() = if (rotationDegrees % 180 == 0) width else height
    val uprightHeight: Int
        get() = if (rotationDegrees % 180 == 0) height else width

    /**
     * Point to the next buffer, whose first pixel is at byte 0.
     *
     * @throws IllegalArgumentException the buffer is too short, or the rotation no quarter turn
     */
    fun set(buffer: ByteBuffer, width: Int, height: Int, rowStride: Int, rotationDegrees: Int) {
        require(width > 0 && height > 0) { "the camera gave an empty frame, $width x $height" }
        require(rowStride >= width * BYTES) {
            "rows of $width pixels need ${width * BYTES} bytes, the camera gave $rowStride; " +
                "ask it for RGBA_8888"
        }
        require(buffer.limit() >= (height - 1) * rowStride + width * BYTES) {
            "a buffer of ${buffer.limit()} bytes is too short for $width x $height pixels"
        }
        require(rotationDegrees in 0..270 && rotationDegrees % 90 == 0) {
            "the rotation is 0, 90, 180 or 270 degrees, not $rotationDegrees"
        }
        this.buffer = buffer
        this.width = width
        this.height = height
        this.rowStride = rowStride
        this.rotationDegrees = rotationDegrees
    }

    companion object {
        /** Of a pixel. */
        const val BYTES = 4
    }
}
