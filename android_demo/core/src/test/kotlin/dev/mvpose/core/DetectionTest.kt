package dev.mvpose.core

import org.json.JSONArray
import org.json.JSONObject
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse

class DetectionTest {
    @Test
    fun `boxes are Python's`() =
        Golden.forEachCase("detect.json") { case ->
            val adapter = DetectorAdapter.parse(case.getJSONObject("adapter").toString())
            val (width, height) = case.getJSONArray("image_wh").ints()
            val outputs =
                case.getJSONArray("outputs").objects().map {
                    DetectorOutput(Golden.floats(it), it.getJSONArray("shape").ints())
                }
            val letterbox = Letterbox(adapter).apply { set(width, height) }
            val matrix = case.getJSONArray("letterbox").toAffine()
            assertNear(matrix, letterbox.matrix, 1e-12, "letterbox")

            val found = DetectionReader(adapter).read(outputs, width, height)
            val boxes = case.getJSONArray("boxes_xywh_px")
            assertEquals(boxes.length(), found.boxes.size)
            for ((i, box) in found.boxes.withIndex()) {
                assertNear(boxes.getJSONArray(i).toBox(), box, 1e-9, "box $i")
                assertNear(case.getJSONArray("scores").getDouble(i), found.scores[i], 0.0, "score")
            }
        }

    @Test
    fun `damaged outputs are refused`() {
        val cases =
            mapOf(
                "NaN or infinity" to FloatArray(5) { Float.NaN },
                "is not what the adapter" to FloatArray(4),
            )
        for ((message, values) in cases) {
            val output = DetectorOutput(values, intArrayOf(1, 1, values.size))
            val error =
                assertFailsWith<DamagedOutput>(message) {
                    DetectionReader(adapter()).read(listOf(output), 64, 48)
                }
            assertContains(error.message!!, message)
        }
    }

    @Test
    fun `adapters that say nothing usable are refused`() {
        val cases =
            mapOf<String, JSONObject.() -> Unit>(
                "kind" to { put("kind", "pose") },
                "columns" to { put("columns", JSONArray(listOf("x1", "score"))) },
                "scores" to { put("scores", 1) },
                "layout" to { getJSONObject("input").put("layout", "HWC") },
                "boxes" to { remove("boxes") },
                "input is 0 x 64" to { getJSONObject("input").put("width_px", 0) },
                "std" to { getJSONObject("input").put("std", JSONArray(listOf(1, 0, 1))) },
                "fill is 256" to { put("fill", 256) },
                "score_floor is 1.5" to { put("score_floor", 1.5) },
                "iou_ceiling is 0.0" to { put("iou_ceiling", 0) },
            )
        for ((message, spoil) in cases) {
            val json = adapterJson().apply(spoil)
            val error =
                assertFailsWith<UnusableDetector>(message) {
                    DetectorAdapter.parse(json.toString())
                }
            assertContains(error.message!!, message)
        }
        assertFailsWith<UnusableDetector> { DetectorAdapter.parse("PK") }
    }

    @Test
    fun `what an adapter leaves out is as in Python`() {
        val input = JSONObject().put("width_px", 64).put("height_px", 48)
        val json =
            JSONObject()
                .put("kind", "detector")
                .put("name", "short")
                .put("input", input)
                .put("boxes", 0)
                .put("columns", JSONArray(listOf("x1", "y1", "x2", "y2", "score")))
        val adapter = DetectorAdapter.parse(json.toString())
        assertEquals(listOf(0f, 0f, 0f), adapter.mean.toList())
        assertEquals(listOf(1f, 1f, 1f), adapter.std.toList())
        assertFalse(adapter.channelsFirst || adapter.bgr || adapter.columnsFirst)
        assertFalse(adapter.inFractions || adapter.hasScores || adapter.hasClasses)
        assertEquals(DetectorAdapter.Place.CORNER, adapter.place)
        assertEquals(listOf(0, 114), listOf(adapter.person, adapter.fill))
        assertEquals(listOf(0.3, 0.6), listOf(adapter.scoreFloor, adapter.iouCeiling))
    }

    @Test
    fun `outputs are found by name or place`() {
        val json = adapterJson().put("boxes", "dets").put("classes", 0)
        val adapter = DetectorAdapter.parse(json.toString())
        assertEquals(listOf(1, 0), adapter.places(listOf("labels", "dets")).toList())
        val error = assertFailsWith<UnusableDetector> { adapter.places(listOf("labels")) }
        assertContains(error.message!!, "dets")
    }

    @Test
    fun `the input has the adapter's layout, order and fill`() {
        val red = byteArrayOf(10, 20, 30)
        val frame = frameOf(ByteArray(4 * 2 * 3) { red[it % 3] }, 4, 2)
        val json = adapterJson()
        json
            .getJSONObject("input")
            .put("width_px", 4)
            .put("height_px", 4)
            .put("color", "bgr")
            .put("mean", JSONArray(listOf(1, 2, 3)))
            .put("std", JSONArray(listOf(2, 2, 2)))
        for (layout in listOf("NHWC", "NCHW")) {
            json.getJSONObject("input").put("layout", layout)
            val input = FloatArray(4 * 4 * 3)
            Letterbox(DetectorAdapter.parse(json.toString())).prepare(frame, input)
            val (pixelStep, channelStep) = if (layout == "NHWC") 3 to 1 else 1 to 16
            val picture = List(3) { c -> input[c * channelStep] }
            val margin = List(3) { c -> input[15 * pixelStep + c * channelStep] }
            assertEquals(listOf(14.5f, 9f, 3.5f), picture, layout)
            assertEquals(listOf(56.5f, 56f, 55.5f), margin, layout)
        }
    }

    private fun adapter() = DetectorAdapter.parse(adapterJson().toString())

    private fun adapterJson(): JSONObject {
        val cases = Golden.document("detect.json").getJSONArray("cases")
        return cases.getJSONObject(0).getJSONObject("adapter")
    }
}
