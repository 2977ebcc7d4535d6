// Stand-in: signatures of CameraX without code. See LiteRt.kt.
package androidx.camera.core;

import java.nio.ByteBuffer;
import org.jetbrains.annotations.NotNull;

public interface ImageProxy extends AutoCloseable {
    @Override
    void close();

    int getWidth();

    int getHeight();

    @NotNull ImageInfo getImageInfo();

    @NotNull PlaneProxy[] getPlanes();

    interface PlaneProxy {
        int getRowStride();

        @NotNull ByteBuffer getBuffer();
    }
}
