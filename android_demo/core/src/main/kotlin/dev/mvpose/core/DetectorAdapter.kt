package dev.mvpose.core

import org.json.JSONArray
import org.json.JSONObject

/**
 * How to use a detector of people: what `mvpose`'s adapter of a detector says, as JSON.
 *
 * @property mean per channel in the input's order, in 0..255; the input is (x - mean) / std
 * @property columns what a box's first numbers are
 * @property person the class of people
 * @property fill grey of the input about the picture, 0..255
 * @property scoreFloor boxes with a lower score are left out
 * @property iouCeiling of two boxes that overlap more, the lower-scored one is left out
 */
class DetectorAdapter private constructor(json: JSONObject) {
    /** Where the picture lies in the input. */
    enum class Place { CORNER, CENTRE, STRETCH }

    private enum class Layout { NHWC, NCHW }

    private enum class Color { RGB, BGR }

    private enum class Unit { PX, FRACTION }

    val name: String = json.getString("name")
    val inputWidth: Int
    val inputHeight: Int

    /** Number of values in the input. */
    val inputSize: Int
        get() = inputWidth * inputHeight * Cropper.CHANNELS
    val channelsFirst: Boolean
    val bgr: Boolean
    val mean: FloatArray
    val std: FloatArray
    val columns: List<String> = json.getJSONArray("columns").strings()
    val inFractions: Boolean = json.choice("unit", Unit.PX) == Unit.FRACTION
    val columnsFirst: Boolean = json.optBoolean("columns_first")
    val person: Int = json.optInt("person", 0)
    val place: Place = json.choice("letterbox", Place.CORNER)
    val fill: Int = json.optInt("fill", 114)
    val scoreFloor: Double = json.optDouble("score_floor", 0.3)
    val iouCeiling: Double = json.optDouble("iou_ceiling", 0.6)
    val hasScores: Boolean = !json.isNull("scores")
    val hasClasses: Boolean = !json.isNull("classes")
    private val tensors = TENSORS.filter { !json.isNull(it) }.map { json.get(it) }

    init {
        val input = json.getJSONObject("input")
        inputWidth = input.getInt("width_px")
        inputHeight = input.getInt("height_px")
        channelsFirst = input.choice("layout", Layout.NHWC) == Layout.NCHW
        bgr = input.choice("color", Color.RGB) == Color.BGR
        mean = channels(input.optJSONArray("mean"), 0f)
        std = channels(input.optJSONArray("std"), 1f)
        require(json.getString("kind") == "detector") { "kind is ${json.getString("kind")}" }
        require(inputWidth > 0 && inputHeight > 0) { "input is $inputWidth x $inputHeight pixels" }
        require(std.all { it > 0 }) { "std is ${std.contentToString()}, not positive" }
        require(columns.containsAll(CORNERS) || columns.containsAll(CENTRES)) {
            "the columns of a box are x1, y1, x2, y2 or cx, cy, w, h"
        }
        require(("score" in columns) != hasScores) {
            "scores come from a column or from an output of their own"
        }
        require(!json.isNull("boxes")) { "boxes names no output" }
        require(fill in 0..255) { "fill is $fill, not 0..255" }
        require(scoreFloor in 0.0..1.0) { "score_floor is $scoreFloor, not 0..1" }
        require(iouCeiling > 0 && iouCeiling <= 1) { "iou_ceiling is $iouCeiling, not 0..1" }
    }

    /**
     * The places, among a file's outputs, of boxes, scores and classes, as far as there are any:
     * what [DetectionReader] reads, in this order.
     *
     * @throws UnusableDetector the file lacks one
     */
    fun places(outputNames: List<String>): IntArray =
        IntArray(tensors.size) { i ->
            val tensor = tensors[i]
            val named = outputNames.indexOf(tensor.toString())
            val place = if (named >= 0) named else tensor as? Int ?: -1
            if (place !in outputNames.indices) {
                throw UnusableDetector(
                    "the detector $name has no output $tensor; its file gives $outputNames",
                )
            }
            place
        }

    companion object {
        private val TENSORS = listOf("boxes", "scores", "classes")
        internal val CORNERS = listOf("x1", "y1", "x2", "y2")
        internal val CENTRES = listOf("cx", "cy", "w", "h")

        /**
         * Read an adapter.
         *
         * @throws UnusableDetector it is none, or a field is missing or out of range
         */
        fun parse(text: String): DetectorAdapter =
            readOr(::unusable) { DetectorAdapter(JSONObject(text)) }

        private fun unusable(error: Exception) =
            UnusableDetector(
                "not an adapter of a detector: ${error.message}; see docs/peers.md",
            )

        private fun channels(json: JSONArray?, usual: Float): FloatArray =
            FloatArray(Cropper.CHANNELS) { json?.getDouble(it)?.toFloat() ?: usual }
    }
}

/** A detector that can't be used; the message is one line for the user. */
class UnusableDetector(message: String) : Exception(message)
