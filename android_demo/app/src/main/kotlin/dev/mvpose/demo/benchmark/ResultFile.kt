package dev.mvpose.demo.benchmark

import android.content.Context
import android.content.Intent
import androidx.core.content.FileProvider
import dev.mvpose.core.BenchmarkResult
import dev.mvpose.demo.model.ModelEntry
import java.io.File
import java.io.IOException

/**
 * Write a result where other apps may fetch it, and offer it to them.
 *
 * @throws IOException the storage is full
 */
internal fun shareResult(context: Context, result: BenchmarkResult) {
    val folder = File(context.cacheDir, "results").apply { mkdirs() }
    val file = File(folder, result.file.name.removeSuffix(ModelEntry.SUFFIX) + ".benchmark.json")
    file.writeText(result.toJson())
    val uri = FileProvider.getUriForFile(context, "${context.packageName}.results", file)
    val send =
        Intent(Intent.ACTION_SEND)
            .setType("application/json")
            .putExtra(Intent.EXTRA_STREAM, uri)
            .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION)
    context.startActivity(Intent.createChooser(send, file.name))
}
