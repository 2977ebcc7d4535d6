// Stand-in: signatures of CameraX without code. See LiteRt.kt.
package androidx.camera.core;

import org.jetbrains.annotations.NotNull;

public interface Camera {
    @NotNull CameraInfo getCameraInfo();
}
