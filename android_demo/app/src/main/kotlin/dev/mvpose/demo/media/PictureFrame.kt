package dev.mvpose.demo.media

import android.graphics.Bitmap
import dev.mvpose.core.Frame
import java.nio.Buffer
import java.nio.ByteBuffer

/** A bitmap's pixels as a frame, in a buffer that serves all pictures of one size. */
internal class PictureFrame {
    val frame = Frame()
    private var buffer = ByteBuffer.allocateDirect(0)

    /** @param rotationDegrees the clockwise turn that makes the bitmap upright */
    fun set(bitmap: Bitmap, rotationDegrees: Int) {
        val rgba = bitmap.config == Bitmap.Config.ARGB_8888
        val plain = if (rgba) bitmap else bitmap.copy(Bitmap.Config.ARGB_8888, false)
        if (buffer.capacity() < plain.byteCount) buffer = ByteBuffer.allocateDirect(plain.byteCount)
        rewind(buffer)
        // Android keeps ARGB_8888 as the bytes R, G, B, A.
        plain.copyPixelsToBuffer(buffer)
        rewind(buffer)
        frame.set(buffer, plain.width, plain.height, plain.rowBytes, rotationDegrees)
    }

    /** By the class that has this method on old phones too. */
    private fun rewind(buffer: Buffer) {
        buffer.clear()
    }
}
