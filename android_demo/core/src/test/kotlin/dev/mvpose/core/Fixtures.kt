package dev.mvpose.core

import org.json.JSONArray
import org.json.JSONObject
import java.nio.ByteBuffer
import kotlin.math.exp

/** A frame of an RGB picture (height, width, 3), in a buffer as a camera gives it. */
fun frameOf(
    rgb: ByteArray,
    width: Int,
    height: Int,
    rotationDegrees: Int = 0,
    rowPadding: Int = 0,
    direct: Boolean = false,
): Frame {
    val stride = width * Frame.BYTES + rowPadding
    val size = stride * (height - 1) + width * Frame.BYTES
    val buffer = if (direct) ByteBuffer.allocateDirect(size) else ByteBuffer.allocate(size)
    for (i in 0 until size) buffer.put(i, 77)
    for (y in 0 until height) {
        for (x in 0 until width) {
            for (c in 0 until 3) {
                buffer.put(y * stride + x * Frame.BYTES + c, rgb[(y * width + x) * 3 + c])
            }
        }
    }
    return Frame().apply { set(buffer, width, height, stride, rotationDegrees) }
}

/** The text of a description as Python exports it. */
fun exportedDescription(): JSONObject {
    val cases = Golden.document("metadata.json").getJSONArray("cases").objects()
    return JSONObject(cases.first { it.getString("name") == "as exported" }.getString("document"))
}

/** The description of a file with another network. */
fun describe(
    inputWidth: Int = 256,
    inputHeight: Int = 256,
    heatmapShape: IntArray = intArrayOf(64, 64, 17),
    decode: JSONObject? = null,
): ModelDescription {
    val document = exportedDescription()
    val model = document.getJSONObject("model")
    if (decode != null) model.put("decode", decode)
    model
        .getJSONObject("preprocess")
        .put("input_width_px", inputWidth)
        .put("input_height_px", inputHeight)
    model.put(
        "skeleton",
        JSONObject()
            .put("keypoints", JSONArray(List(heatmapShape[2]) { "keypoint $it" }))
            .put("flip_pairs", JSONArray())
            .put("edges", JSONArray()),
    )
    document.getJSONObject("input").put("shape", JSONArray(listOf(1, inputHeight, inputWidth, 3)))
    document.getJSONObject("output").put("shape", JSONArray(listOf(1) + heatmapShape.toList()))
    return ModelDescription.parse(document.toString())
}

/** Heatmaps (height, width, keypoints) of Gaussians, at a height of 0.9. */
fun heatmapsOf(
    model: ModelDescription,
    cellX: (Int) -> Double,
    cellY: (Int) -> Double,
): FloatArray {
    val maps = FloatArray(model.output.size)
    for (y in 0 until model.heatmapHeight) {
        for (x in 0 until model.heatmapWidth) {
            for (k in 0 until model.keypointCount) {
                val dx = x - cellX(k)
                val dy = y - cellY(k)
                val place = (y * model.heatmapWidth + x) * model.keypointCount + k
                maps[place] = (0.9 * exp(-(dx * dx + dy * dy) / 8)).toFloat()
            }
        }
    }
    return maps
}
