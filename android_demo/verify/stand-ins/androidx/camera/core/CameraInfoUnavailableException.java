// Stand-in: signatures of CameraX without code. See LiteRt.kt.
package androidx.camera.core;

public class CameraInfoUnavailableException extends Exception {
    private CameraInfoUnavailableException() {}
}
