// Stand-in: signatures of CameraX without code. See LiteRt.kt.
package androidx.camera.core;

import androidx.lifecycle.LiveData;
import org.jetbrains.annotations.NotNull;

public interface CameraInfo {
    @NotNull LiveData<CameraState> getCameraState();
}
