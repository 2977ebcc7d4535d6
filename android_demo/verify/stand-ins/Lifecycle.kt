// Stand-ins: signatures of AndroidX Lifecycle without code. See LiteRt.kt.
package androidx.lifecycle

abstract class Lifecycle

interface LifecycleOwner {
    val lifecycle: Lifecycle
}

fun interface Observer<T> {
    fun onChanged(value: T)
}
