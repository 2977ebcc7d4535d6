// Stand-in: signatures of AndroidX Core without code. See LiteRt.kt.
package androidx.core.content;

import android.content.Context;
import java.util.concurrent.Executor;
import org.jetbrains.annotations.NotNull;

public class ContextCompat {
    ContextCompat() {}

    public static int checkSelfPermission(@NotNull Context context, @NotNull String permission) {
        throw new UnsupportedOperationException();
    }

    @NotNull
    public static Executor getMainExecutor(@NotNull Context context) {
        throw new UnsupportedOperationException();
    }
}
