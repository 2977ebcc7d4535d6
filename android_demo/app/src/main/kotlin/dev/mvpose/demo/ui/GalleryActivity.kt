package dev.mvpose.demo.ui

import android.content.ActivityNotFoundException
import android.net.Uri
import android.os.Bundle
import android.view.View
import androidx.activity.result.PickVisualMediaRequest
import androidx.activity.result.contract.ActivityResultContracts.PickVisualMedia
import dev.mvpose.demo.R
import dev.mvpose.demo.media.MediaRun
import dev.mvpose.demo.pose.EngineState

/** Poses in a photo or video of the gallery. */
class GalleryActivity : PoseActivity(R.layout.gallery) {
    private lateinit var overlay: PoseOverlayView
    private var run: MediaRun? = null
    private var picked: Uri? = null

    private val picker =
        registerForActivityResult(PickVisualMedia()) { uri ->
            tellSource(if (uri == null) getString(R.string.nothing_picked) else null)
            if (uri != null) {
                stop()
                picked = uri
            }
        }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        overlay = view(R.id.overlay)
        overlay.board = poses.board
        overlay.onBox = { box ->
            poses.choose(box)
            run?.again()
        }
        view<View>(R.id.pick).setOnClickListener { pick() }
        view<View>(R.id.forget).setOnClickListener {
            poses.forget()
            run?.again()
        }
        picked = savedInstanceState?.getString(PICKED)?.let(Uri::parse)
        if (savedInstanceState == null) pick()
    }

    override fun onSaveInstanceState(outState: Bundle) {
        super.onSaveInstanceState(outState)
        outState.putString(PICKED, picked?.toString())
    }

    override fun onResume() {
        super.onResume()
        val uri = picked
        if (run == null && uri != null) {
            run = MediaRun(this, poses, uri, overlay::show).also { it.start() }
        }
    }

    override fun onStop() {
        super.onStop()
        stop()
    }

    override fun onState(state: EngineState) {
        super.onState(state)
        if (state is EngineState.Running) run?.again()
    }

    override fun onPose() = overlay.postInvalidateOnAnimation()

    private fun pick() {
        val any = PickVisualMedia.ImageAndVideo
        try {
            picker.launch(PickVisualMediaRequest.Builder().setMediaType(any).build())
        } catch (none: ActivityNotFoundException) {
            tellSource(getString(R.string.no_picker))
        }
    }

    private fun stop() {
        run?.cancel()
        run = null
    }

    private companion object {
        const val PICKED = "picked"
    }
}
