package dev.mvpose.core

import org.json.JSONObject
import java.nio.ByteBuffer
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

class CropperTest {
    @Test
    fun `matrices are Python's`() =
        Golden.forEachCase("crop.json") { case ->
            val (toCrop, bufferToCrop) = matrices(case)
            assertNear(case.getJSONArray("matrix").toAffine(), toCrop, 1e-12, "matrix")
            val expected = case.getJSONArray("buffer_matrix").toAffine()
            assertNear(expected, bufferToCrop, 1e-12, "buffer matrix")
        }

    @Test
    fun `crops are Python's to the bit`() =
        Golden.forEachCase("crop.json") { case ->
            val golden = case.getJSONArray("buffer_matrix").toAffine()
            for (matrix in listOf(golden, matrices(case).second)) {
                assertCrop(case, picture(case), matrix)
            }
        }

    @Test
    fun `padded rows and direct buffers give the same`() =
        Golden.forEachCase("crop.json") { case ->
            val matrix = case.getJSONArray("buffer_matrix").toAffine()
            for (padding in listOf(0, 4, 61)) {
                assertCrop(case, picture(case, padding, direct = true), matrix)
            }
        }

    @Test
    fun `a crop beyond the frame has the value asked for`() {
        val frame = frameOf(ByteArray(4 * 4 * 3), 4, 4)
        val crop = FloatArray(8 * 8 * 3)
        for ((x, y) in listOf(100.0 to 2.0, -100.0 to 2.0, 2.0 to 100.0, 2.0 to -100.0)) {
            val matrix = Affine().apply { set(1.0, 0.0, x, 0.0, 1.0, y) }
            Cropper(8, 8).crop(frame, matrix, crop, outside = 114)
            assertEquals(setOf(114f), crop.toSet(), "moved by $x, $y")
        }
    }

    @Test
    fun `one cropper serves frames of any size in turn`() {
        val all = Golden.document("crop.json").getJSONArray("cases").objects()
        val size = intArrayOf(64, 64)
        val cases = all.filter { it.getJSONArray("input_wh").ints().contentEquals(size) }
        assertTrue(cases.isNotEmpty())
        val cropper = Cropper(64, 64)
        val crop = FloatArray(64 * 64 * 3)
        for (case in cases) {
            for (side in listOf(8, 400)) {
                val other = frameOf(ByteArray(side * side * 3) { 77 }, side, side)
                val whole = Affine().apply { set(64.0 / side, 0.0, 0.0, 0.0, 64.0 / side, 0.0) }
                cropper.crop(other, whole, crop)
            }
            cropper.crop(picture(case), case.getJSONArray("buffer_matrix").toAffine(), crop)
            assertCropIs(case, crop)
        }
    }

    @Test
    fun `bad frames are refused in one line`() {
        val buffer = ByteBuffer.allocate(4 * 4 * 4)
        val cases =
            mapOf<String, Frame.() -> Unit>(
                "empty frame" to { set(buffer, 0, 4, 16, 0) },
                "RGBA_8888" to { set(buffer, 4, 4, 4, 0) },
                "too short" to { set(buffer, 4, 5, 16, 0) },
                "not 45" to { set(buffer, 4, 4, 16, 45) },
            )
        for ((message, bad) in cases) {
            val error = assertFailsWith<IllegalArgumentException>(message) { Frame().bad() }
            assertContains(error.message!!, message)
        }
    }

    private fun matrices(case: JSONObject): Pair<Affine, Affine> {
        val (width, height) = case.getJSONArray("input_wh").ints()
        val frame = picture(case)
        val toCrop = Affine()
        val upright = Affine()
        val box = case.getJSONArray("box_xywh_px").toBox()
        CropGeometry.cropMatrix(box, width, height, case.getDouble("padding"), toCrop)
        CropGeometry.uprightMatrix(frame, upright)
        return toCrop to Affine().apply { setProduct(toCrop, upright) }
    }

    private fun picture(case: JSONObject, rowPadding: Int = 0, direct: Boolean = false): Frame {
        val picture = case.getJSONObject("picture")
        val (height, width) = picture.getJSONArray("shape").ints()
        val rotation = case.getInt("rotation_deg")
        return frameOf(Golden.bytes(picture), width, height, rotation, rowPadding, direct)
    }

    private fun assertCrop(case: JSONObject, frame: Frame, matrix: Affine) {
        val (width, height) = case.getJSONArray("input_wh").ints()
        val crop = FloatArray(width * height * 3)
        Cropper(width, height).crop(frame, matrix, crop)
        assertCropIs(case, crop)
    }

    private fun assertCropIs(case: JSONObject, crop: FloatArray) {
        val expected = Golden.bytes(case.getJSONObject("crop"))
        assertEquals(expected.size, crop.size)
        val wrong = expected.indices.count { (expected[it].toInt() and 0xFF).toFloat() != crop[it] }
        assertEquals(0, wrong, "values of ${expected.size} that differ")
    }
}
