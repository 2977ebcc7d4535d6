// Stand-in: signatures of CameraX without code. See LiteRt.kt.
package androidx.camera.core;

public interface ImageInfo {
    long getTimestamp();

    int getRotationDegrees();
}
