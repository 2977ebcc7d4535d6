package dev.mvpose.demo.runtime

import android.content.Context
import dev.mvpose.core.Accelerator

/**
 * Remembers over the app's end which accelerator was being tried: a driver that crashes takes the
 * app with it, and must not do so again at the next start.
 */
internal class TrialMarker(context: Context) {
    private val notes = context.getSharedPreferences("trial", Context.MODE_PRIVATE)

    /** With what this was being tried when the app ended, if it was; asked once, then forgotten. */
    fun crashed(path: String): Accelerator? {
        val found = notes.getString(KEY, null)
        end()
        return Accelerator.entries.firstOrNull { note(path, it) == found }
    }

    fun begin(path: String, accelerator: Accelerator) {
        // commit, not apply: a crash follows at once.
        notes.edit().putString(KEY, note(path, accelerator)).commit()
    }

    fun end() {
        notes.edit().remove(KEY).apply()
    }

    private fun note(path: String, accelerator: Accelerator) = "$accelerator $path"

    private companion object {
        const val KEY = "trying"
    }
}
