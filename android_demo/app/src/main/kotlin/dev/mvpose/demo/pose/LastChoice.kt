package dev.mvpose.demo.pose

import android.content.Context
import dev.mvpose.core.Accelerator

/** The model and accelerator that the user chose last. */
internal class LastChoice(context: Context) {
    private val notes = context.getSharedPreferences("choice", Context.MODE_PRIVATE)

    /** Name of its file; null: none was chosen. */
    val model: String?
        get() = notes.getString(MODEL, null)

    val accelerator: Accelerator
        get() {
            val name = notes.getString(ACCELERATOR, null)
            return Accelerator.entries.firstOrNull { it.name == name } ?: Accelerator.CPU
        }

    fun remember(model: String, accelerator: Accelerator) {
        val writing = notes.edit()
        writing.putString(MODEL, model)
        writing.putString(ACCELERATOR, accelerator.name)
        writing.apply()
    }

    private companion object {
        const val MODEL = "model"
        const val ACCELERATOR = "accelerator"
    }
}
