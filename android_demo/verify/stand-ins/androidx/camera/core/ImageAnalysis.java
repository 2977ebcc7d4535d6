// Stand-in: signatures of CameraX without code. See LiteRt.kt.
package androidx.camera.core;

import androidx.camera.core.resolutionselector.ResolutionSelector;
import java.util.concurrent.Executor;
import org.jetbrains.annotations.NotNull;

public final class ImageAnalysis extends UseCase {
    public static final int STRATEGY_KEEP_ONLY_LATEST = 0;
    public static final int OUTPUT_IMAGE_FORMAT_RGBA_8888 = 2;

    private ImageAnalysis() {}

    public int getTargetRotation() {
        throw new UnsupportedOperationException();
    }

    public void setTargetRotation(int rotation) {
        throw new UnsupportedOperationException();
    }

    public void setAnalyzer(@NotNull Executor executor, @NotNull Analyzer analyzer) {
        throw new UnsupportedOperationException();
    }

    public interface Analyzer {
        void analyze(@NotNull ImageProxy image);
    }

    public static final class Builder {
        @NotNull
        public Builder setBackpressureStrategy(int strategy) {
            throw new UnsupportedOperationException();
        }

        @NotNull
        public Builder setOutputImageFormat(int outputImageFormat) {
            throw new UnsupportedOperationException();
        }

        @NotNull
        public Builder setResolutionSelector(@NotNull ResolutionSelector resolutionSelector) {
            throw new UnsupportedOperationException();
        }

        @NotNull
        public ImageAnalysis build() {
            throw new UnsupportedOperationException();
        }
    }
}
