// Stand-in: signatures of CameraX without code. See LiteRt.kt.
package androidx.camera.core.resolutionselector;

import android.util.Size;
import org.jetbrains.annotations.NotNull;

public final class ResolutionStrategy {
    public static final int FALLBACK_RULE_CLOSEST_HIGHER_THEN_LOWER = 1;

    public ResolutionStrategy(@NotNull Size boundSize, int fallbackRule) {
        throw new UnsupportedOperationException();
    }
}
