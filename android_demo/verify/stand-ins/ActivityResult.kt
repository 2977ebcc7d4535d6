// Stand-ins: signatures of AndroidX Activity without code. See LiteRt.kt.
@file:Suppress("UNUSED_PARAMETER")

package androidx.activity.result

import androidx.activity.result.contract.ActivityResultContract
import androidx.activity.result.contract.ActivityResultContracts

fun interface ActivityResultCallback<O> {
    fun onActivityResult(result: O)
}

interface ActivityResultCaller {
    fun <I, O> registerForActivityResult(
        contract: ActivityResultContract<I, O>,
        callback: ActivityResultCallback<O>,
    ): ActivityResultLauncher<I>
}

abstract class ActivityResultLauncher<I> {
    open fun launch(input: I): Unit = TODO()
}

class PickVisualMediaRequest internal constructor() {
    class Builder {
        fun setMediaType(
            mediaType: ActivityResultContracts.PickVisualMedia.VisualMediaType,
        ): Builder = TODO()

        fun build(): PickVisualMediaRequest = TODO()
    }
}
