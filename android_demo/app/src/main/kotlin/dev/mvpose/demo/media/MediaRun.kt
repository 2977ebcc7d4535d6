package dev.mvpose.demo.media

import android.content.Context
import android.graphics.Bitmap
import android.net.Uri
import android.os.Handler
import android.os.Looper
import dev.mvpose.demo.R
import dev.mvpose.demo.line
import dev.mvpose.demo.pose.PoseEngine

/**
 * Runs one photo or video through the engine, on its thread, until it ends or is cancelled.
 *
 * @param show the picture that the next pose belongs to; on the main thread
 */
internal class MediaRun(
    private val context: Context,
    private val engine: PoseEngine,
    private val uri: Uri,
    private val show: (Bitmap, Int) -> Unit,
) {
    @Volatile
    private var cancelled = false

    private val main = Handler(Looper.getMainLooper())
    private val picture = PictureFrame()
    private var photo: Photo? = null
    private var video: Video? = null
    private var videoUs = 0L

    fun start() {
        engine.forget()
        engine.executor.execute(::open)
    }

    /** A photo again, after the model or the box was changed; a video goes on by itself. */
    fun again() = engine.executor.execute { photo?.let(::look) }

    fun cancel() {
        cancelled = true
        engine.executor.execute(::closeVideo)
    }

    private fun open() {
        if (cancelled) return
        val type = context.contentResolver.getType(uri).orEmpty()
        if (type.startsWith("video/")) openVideo() else openPhoto()
    }

    private fun openPhoto() {
        val read = readPhoto(context.contentResolver, uri)
        if (read == null) return engine.tell(context.getString(R.string.photo_undecodable))
        photo = read
        look(read)
    }

    /** Several looks, because each moves the box to the person found by the one before. */
    private fun look(photo: Photo) {
        if (cancelled) return
        take(photo.bitmap, photo.rotationDegrees)
        repeat(LOOKS) {
            if (engine.look(picture.frame, mirror = false)) engine.find(it * LOOK_APART_NS)
        }
    }

    private fun openVideo() {
        try {
            video = Video.open(context, uri)
        } catch (undecodable: UndecodableVideo) {
            return engine.tell(context.getString(R.string.video_undecodable, undecodable.line))
        }
        engine.executor.execute(::step)
    }

    /** One frame; other work for the thread comes in between. */
    private fun step() {
        val video = video ?: return
        if (cancelled || videoUs > video.durationUs) return closeVideo()
        val bitmap = video.picture(videoUs)
        if (bitmap == null) {
            if (videoUs == 0L || videoUs + END_US < video.durationUs) {
                engine.tell(context.getString(R.string.video_broken, videoUs / US_PER_S))
            }
            return closeVideo()
        }
        take(bitmap, 0)
        if (engine.look(picture.frame, mirror = false)) engine.find(videoUs * NS_PER_US)
        videoUs += STEP_US
        engine.executor.execute(::step)
    }

    private fun take(bitmap: Bitmap, rotationDegrees: Int) {
        picture.set(bitmap, rotationDegrees)
        main.post { show(bitmap, rotationDegrees) }
    }

    private fun closeVideo() {
        video?.close()
        video = null
    }

    private companion object {
        const val LOOKS = 4

        /** Farther apart than the smoothing reaches: the looks at a photo are not mixed. */
        const val LOOK_APART_NS = 1_000_000_000L
        const val STEP_US = 66_667L

        /** The last frame of a video begins earlier than it ends. */
        const val END_US = 500_000L
        const val US_PER_S = 1e6
        const val NS_PER_US = 1000L
    }
}
