package dev.mvpose.demo.model

import dev.mvpose.core.ModelDescription

/**
 * A `.tflite` file of the app.
 *
 * @property name of the file
 * @property description null: unusable
 * @property problem why it is unusable, one line; null: it is not
 */
class ModelEntry(val name: String, val description: ModelDescription?, val problem: String?) {
    /** Among the assets. */
    val path: String
        get() = path(name)

    companion object {
        const val FOLDER = "models"
        const val SUFFIX = ".tflite"

        fun path(name: String) = "$FOLDER/$name"
    }
}
