package dev.mvpose.demo.media

import android.content.Context
import android.graphics.Bitmap
import android.media.MediaMetadataRetriever
import android.net.Uri
import dev.mvpose.demo.line

/** A video that this phone can't decode; the message is the decoder's. */
internal class UndecodableVideo(message: String) : Exception(message)

/** Pictures of a video, upright, one after the other. */
internal class Video private constructor(
    private val retriever: MediaMetadataRetriever,
    val durationUs: Long,
) : AutoCloseable {
    /** The picture at a time, at most [LONGEST_PX] long; null: it can't be decoded. */
    fun picture(timeUs: Long): Bitmap? =
        try {
            retriever.getFrameAtTime(timeUs, MediaMetadataRetriever.OPTION_CLOSEST)?.let(::shrunk)
        } catch (broken: RuntimeException) {
            null
        }

    override fun close() = retriever.release()

    companion object {
        private const val US_PER_MS = 1000L

        /** @throws UndecodableVideo it is in a format that the phone does not know */
        fun open(context: Context, uri: Uri): Video {
            val retriever = MediaMetadataRetriever()
            try {
                retriever.setDataSource(context, uri)
                val duration =
                    retriever.extractMetadata(MediaMetadataRetriever.METADATA_KEY_DURATION)
                val milliseconds = requireNotNull(duration?.toLongOrNull()) { "no length" }
                return Video(retriever, milliseconds * US_PER_MS)
            } catch (refused: RuntimeException) {
                retriever.release()
                throw UndecodableVideo(refused.line)
            }
        }
    }
}
