package dev.mvpose.demo.camera

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
import dev.mvpose.demo.pose.PoseEngine
import java.util.concurrent.ExecutionException

/**
 * The camera's picture on the screen, and its frames to the engine. Of the main thread.
 *
 * @property front the camera on the side of the screen
 * @param tell one line of what is wrong with the camera, or null where nothing is
 */
internal class CameraSource(
    private val activity: ComponentActivity,
    private val view: PreviewView,
    private val engine: PoseEngine,
    front: Boolean,
    private val tell: (String?) -> Unit,
) {
    var front = front
        private set
    private var provider: ProcessCameraProvider? = null
    private var camera: Camera? = null

    /** Nothing where it runs already. */
    fun start() {
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

    /** Front instead of back, or back instead of front. */
    fun flip() {
        front = !front
        engine.forget()
        bind()
    }

    private fun bind() {
        val provider = provider ?: return
        camera?.cameraInfo?.cameraState?.removeObservers(activity)
        camera = null
        provider.unbindAll()
        val selector = CameraSelector.Builder().requireLensFacing(facing()).build()
        try {
            if (!provider.hasCamera(selector)) {
                return tell(activity.getString(R.string.camera_missing))
            }
            val bound = provider.bindToLifecycle(activity, selector, preview(), analysis())
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
        tell(activity.getString(R.string.camera_unbound, failure.message))

    private fun preview(): Preview {
        val preview = Preview.Builder().setResolutionSelector(fourToThree().build()).build()
        preview.setSurfaceProvider(view.surfaceProvider)
        return preview
    }

    private fun analysis(): ImageAnalysis {
        val size = ResolutionStrategy(ANALYSED, CLOSEST)
        val analysis =
            ImageAnalysis
                .Builder()
                .setBackpressureStrategy(ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST)
                .setOutputImageFormat(ImageAnalysis.OUTPUT_IMAGE_FORMAT_RGBA_8888)
                .setResolutionSelector(fourToThree().setResolutionStrategy(size).build())
                .build()
        val analyzer =
            FrameAnalyzer(engine, mirror = front) { problem ->
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
