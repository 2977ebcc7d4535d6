// Stand-ins: signatures of CameraX without code. See LiteRt.kt.
@file:Suppress("UNUSED_PARAMETER")

package androidx.camera.lifecycle

import android.content.Context
import androidx.camera.core.Camera
import androidx.camera.core.CameraProvider
import androidx.camera.core.CameraSelector
import androidx.camera.core.UseCase
import androidx.lifecycle.LifecycleOwner
import com.google.common.util.concurrent.ListenableFuture

class ProcessCameraProvider private constructor() : CameraProvider {
    fun bindToLifecycle(
        lifecycleOwner: LifecycleOwner,
        cameraSelector: CameraSelector,
        vararg useCases: UseCase?,
    ): Camera = TODO()

    override fun hasCamera(cameraSelector: CameraSelector): Boolean = TODO()

    fun unbindAll(): Unit = TODO()

    companion object {
        @JvmStatic
        fun getInstance(context: Context): ListenableFuture<ProcessCameraProvider> = TODO()
    }
}
