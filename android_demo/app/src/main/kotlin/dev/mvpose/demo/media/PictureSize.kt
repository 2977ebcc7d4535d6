package dev.mvpose.demo.media

import android.graphics.Bitmap

/** The longest side of what is looked at and drawn: Android draws no bitmap above 100 MB. */
internal const val LONGEST_PX = 2048

/** [bitmap], or a copy that is [LONGEST_PX] long of one that is longer. */
internal fun shrunk(bitmap: Bitmap): Bitmap {
    val longest = maxOf(bitmap.width, bitmap.height)
    if (longest <= LONGEST_PX) return bitmap
    val width = maxOf(1, bitmap.width * LONGEST_PX / longest)
    val height = maxOf(1, bitmap.height * LONGEST_PX / longest)
    return Bitmap.createScaledBitmap(bitmap, width, height, true)
}
