package dev.mvpose.core

import org.json.JSONArray
import org.json.JSONObject
import java.text.SimpleDateFormat
import java.util.Date
import java.util.Locale
import java.util.TimeZone

/**
 * One model measured on this device.
 *
 * @property protocol what ran: "runtime", "version", "accelerator", "threads" and the like; texts
 *   and whole numbers
 * @property warmUp runs before the first measured one
 * @property settled whether warming up ended because runs no longer became faster
 * @property cropMs, inferenceMs, decodeMs times of the measured runs, equally many
 * @property deviceFacts thermal status and the like: texts, numbers, lists and maps of them
 * @property marks what makes the figures doubtful
 * @property createdMs when it ended, since 1970, UTC
 * @property version of the app
 */
class BenchmarkResult(
    val description: ModelDescription,
    val file: ModelFile,
    val device: Device,
    val protocol: Map<String, Any>,
    val warmUp: Int,
    val settled: Boolean,
    val cropMs: DoubleArray,
    val inferenceMs: DoubleArray,
    val decodeMs: DoubleArray,
    val deviceFacts: Map<String, Any>,
    val marks: List<String>,
    val createdMs: Long,
    val version: String,
) {
    class ModelFile(val name: String, val sha256: String, val sizeBytes: Long)

    class Device(val name: String, val processor: String, val system: String, val cores: Int)

    init {
        require(inferenceMs.isNotEmpty()) { "nothing was measured; run the benchmark first" }
        require(cropMs.size == inferenceMs.size && decodeMs.size == inferenceMs.size) {
            "${cropMs.size} crops, ${inferenceMs.size} inferences and ${decodeMs.size} decodings " +
                "are not the steps of as many runs"
        }
    }

    private val label =
        listOfNotNull("${file.name} on ${device.name}", protocol["accelerator"]).joinToString(", ")

    /** The document that `mvpose-benchmark --json` writes, schema 1, with one row. */
    fun toJson(): String =
        JSONObject()
            .put("kind", "mvpose-benchmark")
            .put("schema", 1)
            .put("created", timeStamp())
            .put("version", version)
            .put("machine", machine())
            .put("reference", label)
            .put("rows", JSONArray().put(row()))
            .toString(1)

    private fun timeStamp(): String {
        val format = SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ss'+00:00'", Locale.ROOT)
        format.timeZone = TimeZone.getTimeZone("UTC")
        return format.format(Date(createdMs))
    }

    private fun machine(): JSONObject =
        JSONObject()
            .put("processor", device.processor)
            .put("cores", device.cores)
            .put("system", device.system)

    private fun row(): JSONObject =
        JSONObject()
            .put("label", label)
            .put("model", description.name)
            .put("format", "tflite")
            .put("precision", description.recipe)
            .put("file", file.name)
            .put("sha256", file.sha256)
            .put("size_bytes", file.sizeBytes)
            .put("random_weights", ".random." in file.name)
            .put("device", device.name)
            .put("marks", JSONArray(if (settled) marks else marks + "warming up did not settle"))
            .put("timing", timing())
            .put("stages", stages())
            .put("samples_ms", JSONArray(inferenceMs.toList()))
            .put("device_facts", JSONObject(deviceFacts))

    /** Of inference alone; of one file there is no ratio. */
    private fun timing(): JSONObject {
        val third = maxOf(1, inferenceMs.size / 3)
        val first = inferenceMs.copyOfRange(0, third)
        val last = inferenceMs.copyOfRange(inferenceMs.size - third, inferenceMs.size)
        return spread(inferenceMs)
            .put("speedup", 1.0)
            .put("speedup_low", 1.0)
            .put("speedup_high", 1.0)
            .put("rounds", inferenceMs.size)
            .put("protocol", JSONObject(protocol))
            .put("warm_up", warmUp)
            .put("settled", settled)
            .put("drift", median(last) / median(first) - 1)
    }

    private fun stages(): JSONObject {
        val together =
            DoubleArray(inferenceMs.size) { cropMs[it] + inferenceMs[it] + decodeMs[it] }
        return JSONObject()
            .put("crop", spread(cropMs))
            .put("inference", spread(inferenceMs))
            .put("decode", spread(decodeMs))
            .put("together", spread(together))
    }

    private fun spread(timesMs: DoubleArray): JSONObject {
        val sorted = timesMs.sortedArray()
        return JSONObject()
            .put("median_ms", percentile(sorted, sorted.size, 0.5))
            .put("p90_ms", percentile(sorted, sorted.size, 0.9))
            .put("p99_ms", percentile(sorted, sorted.size, 0.99))
    }

    private fun median(timesMs: DoubleArray): Double =
        percentile(timesMs.sortedArray(), timesMs.size, 0.5)
}
