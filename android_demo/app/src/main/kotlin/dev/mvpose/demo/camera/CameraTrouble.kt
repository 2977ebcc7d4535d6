package dev.mvpose.demo.camera

import android.content.Context
import androidx.camera.core.CameraState
import dev.mvpose.demo.R

/** What an error of the camera means to the user and what to do; null: there is none. */
internal fun cameraTrouble(context: Context, error: CameraState.StateError?): String? {
    val code = error?.code ?: return null
    val line =
        when (code) {
            CameraState.ERROR_CAMERA_IN_USE -> R.string.camera_in_use
            CameraState.ERROR_MAX_CAMERAS_IN_USE -> R.string.camera_in_use
            CameraState.ERROR_CAMERA_DISABLED -> R.string.camera_disabled
            CameraState.ERROR_DO_NOT_DISTURB_MODE_ENABLED -> R.string.camera_do_not_disturb
            CameraState.ERROR_OTHER_RECOVERABLE_ERROR -> R.string.camera_recovers
            else -> R.string.camera_lost
        }
    return context.getString(line, code)
}
