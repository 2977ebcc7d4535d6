package dev.mvpose.demo.model

import android.content.Context
import dev.mvpose.core.ModelDescription
import dev.mvpose.core.TfliteInterface
import dev.mvpose.core.UnusableModel
import dev.mvpose.demo.R
import dev.mvpose.demo.line
import java.io.FileNotFoundException
import java.io.IOException

/** The models of the app, by name; unusable ones are among them. */
fun modelCatalogue(context: Context): List<ModelEntry> =
    context.assets
        .list(ModelEntry.FOLDER)
        .orEmpty()
        .filter { it.endsWith(ModelEntry.SUFFIX) }
        .sorted()
        .map { entry(context, it) }

private fun entry(context: Context, name: String): ModelEntry {
    val path = ModelEntry.path(name)
    val text =
        try {
            context.assets.text("$path.json")
        } catch (missing: FileNotFoundException) {
            return ModelEntry(name, null, context.getString(R.string.no_description, name))
        }
    return try {
        val description = ModelDescription.parse(text)
        TfliteInterface.read(context.assets.map(path)).check(description)
        ModelEntry(name, description, null)
    } catch (unusable: UnusableModel) {
        ModelEntry(name, null, "$name: ${unusable.message}")
    } catch (problem: IOException) {
        ModelEntry(name, null, context.getString(R.string.unreadable, name, problem.line))
    }
}
