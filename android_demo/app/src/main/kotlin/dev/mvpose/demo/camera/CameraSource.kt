package dev.mvpose.demo.camera

import android.content.Context
import android.hardware.display.DisplayManager
import android.util.Size
import androidx.activity.ComponentActivity
import androidx.camera.core.Camera
import androidx.camera.core.CameraInfoUnavailableException
import androidx.camera.core.CameraSelector
import androidx.camera.core.ImageAnalysis
import androidx.camera.core.Preview
import androidx.camera.core.resolutionselector.AspectRatioStrategy
import androidx.camera.core.resolutionselector.ResolutionSelector
import androidx.camera.core.resolutionselector.ResolutionStrategy
import androidx.camera.lifecycle.ProcessCameraProvider
import androidx.camera.view.PreviewView
import androidx.core.content.ContextCompat
import dev.mvpose.demo.R
import dev.mvpose.demo.line
import dev.mvpose.demo.pose.PoseEngine
import java.util.concurrent.ExecutionException

/**
 * The camera's picture on the screen, and its frames to the engine. Of the main thread.
 *
 * @property front the camera on the side of the screen
 * @param wanted whether its screen is in front; asked on the inference thread
 * @param tell one line of what is wrong with the camera, or null where nothing is
 */
internal class CameraSource(
    private val activity: ComponentActivity,
    private val view: PreviewView,
    private val engine: PoseEngine,
    front: Boolean,
    private val wanted: () -> Boolean,
    private val tell: (String?) -> Unit,
) {
    var front = front
        private set
    private var provider: ProcessCameraProvider? = null
    private var camera: Camera? = null
    private var analysis: ImageAnalysis? = null
    private val displays = activity.getSystemService(Context.DISPLAY_SERVICE) as DisplayManager

    /** Half a turn of the phone makes no new activity: only the display tells it. */
    private val turns =
        object : DisplayManager.DisplayListener {
            override fun onDisplayAdded(id: Int) = Unit

            override fun onDisplayRemoved(id: Int) = Unit

            override fun onDisplayChanged(id: Int) = turn()
        }

    /** Open the camera, unless it is open; from then on follow the display until [stop]. */
    fun start() {
        displays.registerDisplayListener(turns, null)
        turn()
        if (camera != null) return
        val asked = ProcessCameraProvider.getInstance(activity)
        asked.addListener(
            {
                try {
                    provider = asked.get()
                    bind()
                } catch (failure: ExecutionException) {
                    unbound(failure.cause ?: failure)
                }
            },
            ContextCompat.getMainExecutor(activity),
        )
    }

    /** The display is no longer of interest; the camera closes by itself. */
    fun stop() = displays.unregisterDisplayListener(turns)

    /** Front instead of back, or back instead of front. */
    fun flip() {
        front = !front
        bind()
        engine.forget()
    }

    /** Frames are to be turned as the display is now. */
    private fun turn() {
        val display = view.display ?: return
        analysis?.targetRotation = display.rotation
    }

    private fun bind() {
        val provider = provider ?: return
        camera?.cameraInfo?.cameraState?.removeObservers(activity)
        camera = null
        analysis = null
        provider.unbindAll()
        val selector = CameraSelector.Builder().requireLensFacing(facing()).build()
        try {
            if (!provider.hasCamera(selector)) {
                return tell(activity.getString(R.string.camera_missing))
            }
            val frames = frames()
            val bound = provider.bindToLifecycle(activity, selector, preview(), frames)
            analysis = frames
            bound.cameraInfo.cameraState.observe(activity) { state ->
                tell(cameraTrouble(activity, state.error))
            }
            camera = bound
        } catch (failure: CameraInfoUnavailableException) {
            unbound(failure)
        } catch (failure: IllegalArgumentException) {
            unbound(failure)
        } catch (failure: IllegalStateException) {
            unbound(failure)
        }
    }

    private fun facing() =
        if (front) CameraSelector.LENS_FACING_FRONT else CameraSelector.LENS_FACING_BACK

    private fun unbound(failure: Throwable) =
        tell(activity.getString(R.string.camera_unbound, failure.line))

    private fun preview(): Preview {
        val preview = Preview.Builder().setResolutionSelector(fourToThree().build()).build()
        preview.setSurfaceProvider(view.surfaceProvider)
        return preview
    }

    private fun frames(): ImageAnalysis {
        val size = ResolutionStrategy(ANALYSED, CLOSEST)
        val analysis =
            ImageAnalysis
                .Builder()
                .setBackpressureStrategy(ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST)
                .setOutputImageFormat(ImageAnalysis.OUTPUT_IMAGE_FORMAT_RGBA_8888)
                .setResolutionSelector(fourToThree().setResolutionStrategy(size).build())
                .build()
        val analyzer =
            FrameAnalyzer(engine, mirror = front, wanted) { problem ->
                engine.tell(activity.getString(R.string.frame_unusable, problem))
            }
        analysis.setAnalyzer(engine.executor, analyzer)
        return analysis
    }

    /** Preview and analysis of one shape show the same part of the scene. */
    private fun fourToThree() =
        ResolutionSelector
            .Builder()
            .setAspectRatioStrategy(AspectRatioStrategy.RATIO_4_3_FALLBACK_AUTO_STRATEGY)

    private companion object {
        val ANALYSED = Size(640, 480)
        const val CLOSEST = ResolutionStrategy.FALLBACK_RULE_CLOSEST_HIGHER_THEN_LOWER
    }
}
