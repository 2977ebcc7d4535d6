// Stand-in: signatures of CameraX without code. See LiteRt.kt.
package androidx.camera.core;

import org.jetbrains.annotations.NotNull;

public final class CameraSelector {
    public static final int LENS_FACING_FRONT = 0;
    public static final int LENS_FACING_BACK = 1;

    private CameraSelector() {}

    public static final class Builder {
        @NotNull
        public Builder requireLensFacing(int lensFacing) {
            throw new UnsupportedOperationException();
        }

        @NotNull
        public CameraSelector build() {
            throw new UnsupportedOperationException();
        }
    }
}
