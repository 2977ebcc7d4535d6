// Stand-in: signatures of CameraX without code. See LiteRt.kt.
package androidx.camera.core;

public abstract class UseCase {
    UseCase() {}
}
