// Stand-in: signatures of CameraX without code. See LiteRt.kt.
package androidx.camera.core;

import org.jetbrains.annotations.Nullable;

public abstract class CameraState {
    public static final int ERROR_MAX_CAMERAS_IN_USE = 1;
    public static final int ERROR_CAMERA_IN_USE = 2;
    public static final int ERROR_OTHER_RECOVERABLE_ERROR = 3;
    public static final int ERROR_CAMERA_DISABLED = 5;
    public static final int ERROR_DO_NOT_DISTURB_MODE_ENABLED = 7;

    @Nullable
    public abstract StateError getError();

    public abstract static class StateError {
        public abstract int getCode();
    }
}
