// Stand-in: signatures of CameraX without code. See LiteRt.kt.
package androidx.camera.view;

import android.content.Context;
import android.util.AttributeSet;
import android.widget.FrameLayout;
import androidx.camera.core.Preview;
import org.jetbrains.annotations.NotNull;
import org.jetbrains.annotations.Nullable;

public final class PreviewView extends FrameLayout {
    public PreviewView(@NotNull Context context, @Nullable AttributeSet attributes) {
        super(context, attributes);
    }

    @NotNull
    public Preview.SurfaceProvider getSurfaceProvider() {
        throw new UnsupportedOperationException();
    }
}
