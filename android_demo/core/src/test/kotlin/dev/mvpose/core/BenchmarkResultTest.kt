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
    fun `nothing measured is no result`() {
        val error = assertFailsWith<IllegalArgumentException> { result(DoubleArray(0)) }
        assertContains(error.message!!, "nothing was measured")
    }

    private fun result(inferenceMs: DoubleArray) =
        BenchmarkResult(
            description = describe(),
            file = BenchmarkResult.ModelFile("xxs.tflite", "ab".repeat(32), 4_000_000),
            device = BenchmarkResult.Device("Pixel", "Tensor G5", "Android 16 arm64-v8a", 8),
            protocol =
                mapOf(
                    "runtime" to "litert",
                    "version" to "2.3.0",
                    "accelerator" to "gpu",
                    "threads" to 4,
                ),
            warmUp = 12,
            settled = false,
            cropMs = DoubleArray(inferenceMs.size) { 1.0 },
            inferenceMs = inferenceMs,
            decodeMs = DoubleArray(inferenceMs.size) { 2.0 },
            deviceFacts = mapOf("thermal" to listOf(0, 1), "init_ms" to 120.5),
            marks = listOf("the battery saver was on"),
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
        val TIMES = doubleArrayOf(10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0)
    }
}
