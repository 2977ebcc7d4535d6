package dev.mvpose.core

import dev.mvpose.core.UnusableModel.Reason
import org.json.JSONArray
import org.json.JSONException
import org.json.JSONObject

/** Reads and checks the JSON of a [ModelDescription]. */
internal object DescriptionReader {
    private const val SCHEMA = 1
    private val KNOWN = ElementType.entries.map { it.name.lowercase() }
    private const val AGAIN = "export the model again: mvpose-export --target tflite --int8"

    fun read(text: String): ModelDescription {
        val found = parse(text)
        val version = found?.opt("schema_version") as? Int
        if (found == null || version == null) {
            throw UnusableModel(
                Reason.NOT_A_DESCRIPTION,
                "the file carries no description of mvpose-export; $AGAIN",
            )
        }
        if (version > SCHEMA) {
            throw UnusableModel(
                Reason.NEWER_SCHEMA,
                "the description has schema version $version, this app reads $SCHEMA; update the " +
                    "app, or export the model with its mvpose",
            )
        }
        return readOr(::damaged) {
            require(version == SCHEMA) { "schema version $version" }
            describe(found)
        }
    }

    private fun parse(text: String): JSONObject? =
        try {
            JSONObject(text)
        } catch (_: JSONException) {
            null
        }

    private fun damaged(error: Exception) =
        UnusableModel(
            Reason.NOT_A_DESCRIPTION,
            "the description is damaged: ${error.message}; $AGAIN",
        )

    private fun describe(found: JSONObject): ModelDescription {
        val model = found.getJSONObject("model")
        val preprocess = model.getJSONObject("preprocess")
        val skeleton = skeleton(model.getJSONObject("skeleton"))
        val decode = model.getJSONObject("decode")
        val given = found.getJSONObject("input")
        val made = found.getJSONObject("output")
        objectToFile(found, decode.getString("method"))
        objectToTensors(listOf(given, made))
        val input = tensor(given)
        val output = tensor(made)
        val inputWidth = preprocess.getInt("input_width_px")
        val inputHeight = preprocess.getInt("input_height_px")
        objectToShapes(input.shape, output.shape, inputWidth, inputHeight, skeleton.keypoints.size)
        return ModelDescription(
            name = model.getString("name"),
            recipe = found.getString("recipe"),
            weightsSha256 = found.getString("weights_sha256"),
            boxPadding = positive(preprocess.getDouble("box_padding"), "box_padding"),
            decode = decodeRule(decode),
            skeleton = skeleton,
            input = input,
            output = output,
        )
    }

    private fun objectToFile(found: JSONObject, method: String) {
        val format = found.getString("format")
        if (format != "tflite") refuse(Reason.FORMAT, "is of the format $format")
        val layout = found.getString("layout")
        if (layout != "NHWC") refuse(Reason.LAYOUT, "has the layout $layout, not NHWC")
        if (method == "coordinates") refuse(Reason.DECODE, "gives coordinates, not heatmaps")
    }

    private fun objectToTensors(tensors: List<JSONObject>) {
        if (tensors.any { shape(it).firstOrNull() != 1 }) {
            refuse(Reason.BATCH, "does not take one crop at a time")
        }
        val strange = tensors.map { it.getString("dtype") }.find { it !in KNOWN }
        if (strange != null) {
            refuse(
                Reason.ELEMENT_TYPE,
                "has an input or output of $strange",
                "export it with --io float32",
            )
        }
    }

    private fun objectToShapes(
        input: IntArray,
        output: IntArray,
        width: Int,
        height: Int,
        keypoints: Int,
    ) {
        val fits = input.contentEquals(intArrayOf(1, height, width, 3))
        if (!fits || output.size != 4 || output[1] < 2 || output[2] < 2) {
            refuse(
                Reason.SHAPES,
                "has input and output ${input.contentToString()} and ${output.contentToString()}",
            )
        }
        if (output[3] != keypoints) {
            refuse(Reason.SHAPES, "has ${output[3]} heatmaps for $keypoints keypoints")
        }
    }

    private fun tensor(json: JSONObject): TensorInfo {
        val shape = shape(json)
        val dtype = ElementType.valueOf(json.getString("dtype").uppercase())
        val scale = json.optDouble("scale", 0.0)
        require(dtype == ElementType.FLOAT32 || scale > 0) { "scale is $scale" }
        return TensorInfo(shape, dtype, scale, json.optInt("zero_point"))
    }

    private fun shape(json: JSONObject): IntArray {
        val sides = json.getJSONArray("shape")
        return IntArray(sides.length()) { sides.getInt(it) }
    }

    private fun decodeRule(json: JSONObject): DecodeRule =
        DecodeRule(
            json.choice("method", DecodeRule.Method.DARK),
            positive(json.optDouble("sigma_cells", 2.0), "sigma_cells"),
            json.choice("grid", DecodeRule.Grid.CORNERS),
            json.optDouble("score_floor", 0.2),
        )

    private fun skeleton(json: JSONObject): Skeleton {
        val keypoints = json.getJSONArray("keypoints").strings()
        return Skeleton(
            keypoints,
            pairs(json.getJSONArray("flip_pairs"), keypoints.size),
            pairs(json.getJSONArray("edges"), keypoints.size),
        )
    }

    private fun pairs(json: JSONArray, keypoints: Int): List<IntArray> =
        List(json.length()) { i ->
            val pair = json.getJSONArray(i)
            val ends = intArrayOf(pair.getInt(0), pair.getInt(1))
            require(ends.all { it in 0 until keypoints }) {
                "an edge or flip pair names keypoint ${ends.first { it !in 0 until keypoints }}"
            }
            ends
        }

    private fun positive(value: Double, name: String): Double {
        require(value > 0) { "$name is $value, not positive" }
        return value
    }

    private fun refuse(reason: Reason, what: String, hint: String = AGAIN): Nothing =
        throw UnusableModel(reason, "the file $what; $hint")
}
