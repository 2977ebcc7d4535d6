package dev.mvpose.demo.media

import android.content.ContentResolver
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.media.ExifInterface
import android.net.Uri
import java.io.IOException

/** A photo, at most about 2,000 pixels long, and the clockwise turn that makes it upright. */
internal class Photo(val bitmap: Bitmap, val rotationDegrees: Int)

private const val LONGEST_PX = 2048

/** The photo behind [uri]; null: it can't be decoded. */
internal fun readPhoto(resolver: ContentResolver, uri: Uri): Photo? =
    try {
        val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
        resolver.openInputStream(uri)?.use { BitmapFactory.decodeStream(it, null, bounds) }
        val longest = maxOf(bounds.outWidth, bounds.outHeight)
        val options =
            BitmapFactory.Options().apply {
                inSampleSize = Integer.highestOneBit(maxOf(1, longest / LONGEST_PX))
            }
        val bitmap =
            resolver.openInputStream(uri)?.use { BitmapFactory.decodeStream(it, null, options) }
        bitmap?.let { Photo(it, rotation(resolver, uri)) }
    } catch (unreadable: IOException) {
        null
    } catch (refused: SecurityException) {
        null
    }

private fun rotation(resolver: ContentResolver, uri: Uri): Int {
    val orientation =
        try {
            resolver.openInputStream(uri)?.use {
                ExifInterface(it).getAttributeInt(ExifInterface.TAG_ORIENTATION, 0)
            }
        } catch (none: IOException) {
            null
        }
    return when (orientation) {
        ExifInterface.ORIENTATION_ROTATE_90 -> 90
        ExifInterface.ORIENTATION_ROTATE_180 -> 180
        ExifInterface.ORIENTATION_ROTATE_270 -> 270
        else -> 0
    }
}
