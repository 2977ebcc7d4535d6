// Stand-in: signatures of CameraX without code. See LiteRt.kt.
package androidx.camera.core;

import androidx.camera.core.resolutionselector.ResolutionSelector;
import org.jetbrains.annotations.NotNull;
import org.jetbrains.annotations.Nullable;

public final class Preview extends UseCase {
    private Preview() {}

    public void setSurfaceProvider(@Nullable SurfaceProvider surfaceProvider) {
        throw new UnsupportedOperationException();
    }

    public interface SurfaceProvider {}

    public static final class Builder {
        @NotNull
        public Builder setResolutionSelector(@NotNull ResolutionSelector resolutionSelector) {
            throw new UnsupportedOperationException();
        }

        @NotNull
        public Preview build() {
            throw new UnsupportedOperationException();
        }
    }
}
