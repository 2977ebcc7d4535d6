package dev.mvpose.demo.ui

import android.Manifest
import android.content.Intent
import android.content.pm.PackageManager
import android.os.Bundle
import android.view.View
import android.view.WindowManager
import androidx.activity.result.contract.ActivityResultContracts
import androidx.core.content.ContextCompat
import dev.mvpose.demo.R
import dev.mvpose.demo.camera.CameraSource

/** Live poses from the camera. */
class LiveActivity : PoseActivity(R.layout.live) {
    private lateinit var overlay: PoseOverlayView
    private lateinit var camera: CameraSource

    private val permission =
        registerForActivityResult(ActivityResultContracts.RequestPermission()) { granted ->
            if (granted) startCamera() else tellRefused()
        }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        overlay = view(R.id.overlay)
        overlay.board = poses.board
        overlay.fill = true
        overlay.onBox = poses::choose
        val front = savedInstanceState?.getBoolean(FRONT) == true
        camera = CameraSource(this, view(R.id.preview), poses, front, ::inFront, ::tellSource)
        view<View>(R.id.flip).setOnClickListener { if (allowed()) camera.flip() else ask() }
        view<View>(R.id.forget).setOnClickListener { poses.forget() }
        view<View>(R.id.gallery).setOnClickListener { open(GalleryActivity::class.java) }
        view<View>(R.id.benchmark).setOnClickListener {
            open(BenchmarkActivity::class.java)
        }
        if (allowed()) return
        if (savedInstanceState == null) ask() else tellRefused()
    }

    override fun onStart() {
        super.onStart()
        if (allowed()) startCamera()
    }

    override fun onStop() {
        super.onStop()
        camera.stop()
    }

    override fun onSaveInstanceState(outState: Bundle) {
        super.onSaveInstanceState(outState)
        outState.putBoolean(FRONT, camera.front)
    }

    override fun onPose() = overlay.postInvalidateOnAnimation()

    private fun startCamera() {
        tellSource(null)
        camera.start()
    }

    private fun ask() = permission.launch(Manifest.permission.CAMERA)

    private fun tellRefused() = tellSource(getString(R.string.camera_refused))

    private fun allowed(): Boolean =
        ContextCompat.checkSelfPermission(this, Manifest.permission.CAMERA) ==
            PackageManager.PERMISSION_GRANTED

    private fun open(screen: Class<*>) = startActivity(Intent(this, screen))

    private companion object {
        const val FRONT = "front"
    }
}
