package dev.mvpose.core.benchmark

import dev.mvpose.core.Frame
import dev.mvpose.core.LatencyRecorder
import dev.mvpose.core.ModelDescription
import dev.mvpose.core.PosePipeline
import org.json.JSONObject
import java.io.File
import java.nio.ByteBuffer
import kotlin.math.exp
import kotlin.random.Random

private const val WARM_UP = 2000
private const val USUAL_ROUNDS = 1000
private const val WIDTH = 640
private const val HEIGHT = 480
private const val NS_PER_MS = 1e6
private const val FRAME_NS = 33_333_333L

/**
 * Time the crop and the decoding of one person, with tracking and smoothing, in frames of 640 x 480
 * pixels turned by 90 degrees; prints JSON. Arguments: how many rounds.
 */
fun main(arguments: Array<String>) {
    val rounds = arguments.firstOrNull()?.toInt() ?: USUAL_ROUNDS
    val pipeline = PosePipeline(ModelDescription.parse(description().toString()))
    val crop = LatencyRecorder(rounds)
    val decode = LatencyRecorder(rounds)
    val together = LatencyRecorder(rounds)
    val frame = frame()
    val heatmaps = heatmaps()
    val input = FloatArray(pipeline.description.input.size)
    for (round in 0 until WARM_UP + rounds) {
        val start = System.nanoTime()
        pipeline.prepare(frame, input)
        val cropped = System.nanoTime()
        pipeline.read(heatmaps, round * FRAME_NS)
        val end = System.nanoTime()
        crop.record((cropped - start) / NS_PER_MS, end)
        decode.record((end - cropped) / NS_PER_MS, end)
        together.record((end - start) / NS_PER_MS, end)
    }
    val result =
        JSONObject()
            .put("frame", "$WIDTH x $HEIGHT, turned by 90 degrees")
            .put("input", "256 x 256")
            .put("heatmaps", "64 x 64 x 17, dark")
            .put("rounds", rounds)
            .put("warm_up", WARM_UP)
            .put("crop", spread(crop))
            .put("decode_track_smooth", spread(decode))
            .put("together", spread(together))
            .put("jvm", jvm())
            .put("processor", processor())
            .put("cores", Runtime.getRuntime().availableProcessors())
    println(result.toString(1))
}

private fun spread(times: LatencyRecorder): JSONObject =
    JSONObject().put("median_ms", times.medianMs).put("p90_ms", times.p90Ms)

private fun frame(): Frame {
    val buffer = ByteBuffer.allocateDirect(WIDTH * HEIGHT * Frame.BYTES)
    buffer.put(Random(0).nextBytes(buffer.capacity()))
    return Frame().apply { set(buffer, WIDTH, HEIGHT, WIDTH * Frame.BYTES, 90) }
}

/** Gaussians all over the crop, so that the person fills the picture. */
private fun heatmaps(): FloatArray =
    FloatArray(64 * 64 * 17) { i ->
        val k = i % 17
        val dx = i / 17 % 64 - (20 + 1.5 * k)
        val dy = i / 17 / 64 - (10 + 2.7 * k)
        (0.9 * exp(-(dx * dx + dy * dy) / 8)).toFloat()
    }

private fun description(): JSONObject {
    val names = List(17) { "keypoint $it" }
    return JSONObject(
        mapOf(
            "schema_version" to 1,
            "format" to "tflite",
            "layout" to "NHWC",
            "recipe" to "fp32",
            "weights_sha256" to "",
            "input" to mapOf("shape" to listOf(1, 256, 256, 3), "dtype" to "float32"),
            "output" to mapOf("shape" to listOf(1, 64, 64, 17), "dtype" to "float32"),
            "model" to
                mapOf(
                    "name" to "benchmark",
                    "preprocess" to
                        mapOf(
                            "input_width_px" to 256,
                            "input_height_px" to 256,
                            "box_padding" to 1.25,
                        ),
                    "decode" to mapOf("method" to "dark"),
                    "skeleton" to
                        mapOf(
                            "keypoints" to names,
                            "flip_pairs" to emptyList<Any>(),
                            "edges" to emptyList<Any>(),
                        ),
                ),
        ),
    )
}

private fun jvm(): String =
    "${System.getProperty("java.vm.name")} ${System.getProperty("java.version")}"

private fun processor(): String {
    val facts = File("/proc/cpuinfo")
    val name = if (facts.canRead()) facts.useLines { it.find(::namesModel) } else null
    return name?.substringAfter(": ") ?: System.getProperty("os.arch")
}

private fun namesModel(line: String): Boolean = line.startsWith("model name")
