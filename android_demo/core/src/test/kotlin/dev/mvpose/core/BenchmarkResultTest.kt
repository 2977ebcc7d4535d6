package dev.mvpose.core

import org.json.JSONArray
import org.json.JSONObject
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class BenchmarkResultTest {
    /** The document is one that Python's tests read with `mvpose.benchmark.document`. */
    @Test
    fun `the result is a document of mvpose-benchmark`() {
        val file = checkNotNull(javaClass.getResource("/benchmark_result.json"))
        assertEquals(plain(JSONObject(file.readText())), plain(JSONObject(result(TIMES).toJson())))
    }

    @Test
    fun `only what makes figures doubtful is marked`() {
        val cases =
            mapOf(
                "settled" to Triple("xxs.tflite", true, listOf(MARK)),
                "not settled" to Triple("xxs.tflite", false, listOf(MARK, UNSETTLED)),
                "random weights" to Triple("xxs.random.fp32.tflite", true, listOf(MARK)),
            )
        for ((name, case) in cases) {
            val (file, settled, marks) = case
            val document = JSONObject(result(TIMES, file, settled).toJson())
            val row = document.getJSONArray("rows").getJSONObject(0)
            assertEquals(marks, plain(row.getJSONArray("marks")), name)
            assertEquals(settled, row.getJSONObject("timing").getBoolean("settled"), name)
            assertEquals(name == "random weights", row.getBoolean("random_weights"), name)
        }
    }

    @Test
    fun `steps of different runs are no result`() {
        val error = assertFailsWith<IllegalArgumentException> { result(TIMES, crops = 3) }
        assertContains(error.message!!, "3 crops, 10 inferences")
    }

    @Test
    fun `nothing measured is no result`() {
        val error = assertFailsWith<IllegalArgumentException> { result(DoubleArray(0)) }
        assertContains(error.message!!, "nothing was measured")
    }

    private fun result(
        inferenceMs: DoubleArray,
        file: String = "xxs.tflite",
        settled: Boolean = false,
        crops: Int = inferenceMs.size,
    ) = BenchmarkResult(
        description = describe(),
        file = BenchmarkResult.ModelFile(file, "ab".repeat(32), 4_000_000),
        device = BenchmarkResult.Device("Pixel", "Tensor G5", "Android 16 arm64-v8a", 8),
        protocol =
            mapOf(
                "runtime" to "litert",
                "version" to "2.3.0",
                "accelerator" to "gpu",
                "threads" to 4,
            ),
        warmUp = 12,
        settled = settled,
        cropMs = DoubleArray(crops) { 1.0 },
        inferenceMs = inferenceMs,
        decodeMs = DoubleArray(inferenceMs.size) { 2.0 },
        deviceFacts = mapOf("thermal" to listOf(0, 1), "init_ms" to 120.5),
        marks = listOf(MARK),
        createdMs = 1_795_276_959_000,
        version = "android_demo 1.0",
    )

    /** Maps and lists that can be compared; numbers to 12 digits. */
    private fun plain(json: Any): Any =
        when (json) {
            is JSONObject -> json.keys().asSequence().associateWith { plain(json.get(it)) }
            is JSONArray -> List(json.length()) { plain(json.get(it)) }
            is Number -> "%.12g".format(json.toDouble())
            else -> json
        }

    private companion object {
        const val MARK = "the battery saver was on"
        const val UNSETTLED = "warming up did not settle"
        val TIMES = doubleArrayOf(10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0)
    }
}
