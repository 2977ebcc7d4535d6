package dev.mvpose.demo.media

import android.content.ContentResolver
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.Matrix
import android.media.ExifInterface
import android.net.Uri
import java.io.IOException

/** A photo, at most [LONGEST_PX] long, and the clockwise turn that makes it upright. */
internal class Photo(val bitmap: Bitmap, val rotationDegrees: Int)

/** The photo behind [uri]; null: it can't be decoded. */
internal fun readPhoto(resolver: ContentResolver, uri: Uri): Photo? =
    try {
        val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
        resolver.openInputStream(uri)?.use { BitmapFactory.decodeStream(it, null, bounds) }
        val longest = maxOf(bounds.outWidth, bounds.outHeight)
        val options = BitmapFactory.Options().apply { inSampleSize = 1 }
        while (longest > LONGEST_PX * options.inSampleSize) options.inSampleSize *= 2
        val bitmap =
            resolver.openInputStream(uri)?.use { BitmapFactory.decodeStream(it, null, options) }
        bitmap?.let { upright(it, orientation(resolver, uri)) }
    } catch (unreadable: IOException) {
        null
    } catch (refused: RuntimeException) {
        // What the app that keeps the photo throws: no permission any more, and whatever else.
        null
    }

/** As EXIF has it; normal where it says nothing. */
private fun orientation(resolver: ContentResolver, uri: Uri): Int =
    try {
        resolver.openInputStream(uri)?.use {
            ExifInterface(it).getAttributeInt(ExifInterface.TAG_ORIENTATION, 0)
        } ?: 0
    } catch (none: IOException) {
        0
    }

/** A mirrored photo is mirrored back: else left and right of the person would be exchanged. */
private fun upright(bitmap: Bitmap, orientation: Int): Photo =
    when (orientation) {
        ExifInterface.ORIENTATION_ROTATE_90 -> Photo(bitmap, 90)
        ExifInterface.ORIENTATION_ROTATE_180 -> Photo(bitmap, 180)
        ExifInterface.ORIENTATION_ROTATE_270 -> Photo(bitmap, 270)
        ExifInterface.ORIENTATION_FLIP_HORIZONTAL -> Photo(mirrored(bitmap), 0)
        ExifInterface.ORIENTATION_TRANSVERSE -> Photo(mirrored(bitmap), 90)
        ExifInterface.ORIENTATION_FLIP_VERTICAL -> Photo(mirrored(bitmap), 180)
        ExifInterface.ORIENTATION_TRANSPOSE -> Photo(mirrored(bitmap), 270)
        else -> Photo(bitmap, 0)
    }

private fun mirrored(bitmap: Bitmap): Bitmap {
    val exchange = Matrix().apply { setScale(-1f, 1f) }
    return Bitmap.createBitmap(bitmap, 0, 0, bitmap.width, bitmap.height, exchange, false)
}
