// Stand-in: signatures of CameraX without code. See LiteRt.kt.
package androidx.camera.core.resolutionselector;

import org.jetbrains.annotations.NotNull;

public final class ResolutionSelector {
    private ResolutionSelector() {}

    public static final class Builder {
        @NotNull
        public Builder setAspectRatioStrategy(@NotNull AspectRatioStrategy strategy) {
            throw new UnsupportedOperationException();
        }

        @NotNull
        public Builder setResolutionStrategy(@NotNull ResolutionStrategy strategy) {
            throw new UnsupportedOperationException();
        }

        @NotNull
        public ResolutionSelector build() {
            throw new UnsupportedOperationException();
        }
    }
}
