// Stand-in: signatures of AndroidX Lifecycle without code. See LiteRt.kt.
package androidx.lifecycle;

import org.jetbrains.annotations.NotNull;

public abstract class LiveData<T> {
    public void observe(@NotNull LifecycleOwner owner, @NotNull Observer<? super T> observer) {
        throw new UnsupportedOperationException();
    }

    public void removeObservers(@NotNull LifecycleOwner owner) {
        throw new UnsupportedOperationException();
    }
}
