package dev.mvpose.core

import kotlin.math.exp
import kotlin.math.hypot
import kotlin.math.pow
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class HeatmapDecoderTest {
    @Test
    fun `keypoints are Python's`() =
        Golden.forEachCase("decode.json") { case ->
            val heatmaps = case.getJSONObject("heatmaps")
            val (width, height) = case.getJSONArray("input_wh").ints()
            val shape = heatmaps.getJSONArray("shape").ints()
            val model = describe(width, height, shape, case.getJSONObject("decode"))
            val expected = case.getJSONObject("expected")
            val pose = Pose(model.keypointCount)
            val decoder = HeatmapDecoder(model)

            decoder.decode(Golden.floats(heatmaps), Affine(), pose)
            assertNear(expected.getJSONArray("keypoints_crop_px").rows(), pose, TOLERANCE)

            val cropToImage = Affine().apply { setInverse(case.getJSONArray("matrix").toAffine()) }
            decoder.decode(Golden.floats(heatmaps), cropToImage, pose)
            assertNear(expected.getJSONArray("keypoints_px").rows(), pose, TOLERANCE)
            assertContentEquals(expected.getJSONArray("scores").numbers(), pose.scores)
            assertNear(expected.getDouble("pose_score"), pose.score, 1e-12, "score")
        }

    @Test
    fun `a lone peak in a hollow stays on its cell`() {
        val model = describe()
        val heatmaps =
            FloatArray(model.output.size) { i ->
                val cell = i / model.keypointCount
                val distance = hypot(cell % 64 - 20.6, cell / 64 - 20.3)
                val ring = 0.8 * exp(-(distance - 5).pow(2) / 2)
                if (cell == 20 * 64 + 20) 0.9f else ring.toFloat()
            }
        val pose = Pose(model.keypointCount)
        HeatmapDecoder(model).decode(heatmaps, Affine(), pose)
        assertEquals(20 * 255 / 63.0, pose.x[0], 1e-12)
        assertEquals(20 * 255 / 63.0, pose.y[0], 1e-12)
    }

    @Test
    fun `a network that gives no numbers is refused and leaves the pose`() {
        val model = describe()
        val decoder = HeatmapDecoder(model)
        val pose = Pose(model.keypointCount)
        decoder.decode(heatmapsOf(model, { 20.0 }, { 30.0 }), Affine(), pose)
        val before = Pose(model.keypointCount).apply { set(pose) }
        for (bad in listOf(Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY)) {
            for (place in listOf(0, 12_345, model.output.size - 1)) {
                val heatmaps = FloatArray(model.output.size).also { it[place] = bad }
                val error =
                    assertFailsWith<DamagedOutput>("$bad at $place") {
                        decoder.decode(heatmaps, Affine(), pose)
                    }
                assertContains(error.message!!, "NaN or infinity")
                assertContentEquals(before.x, pose.x)
                assertEquals(before.score, pose.score)
            }
        }
    }

    @Test
    fun `heatmaps of another size are refused`() {
        val model = describe()
        val error =
            assertFailsWith<DamagedOutput> {
                HeatmapDecoder(model).decode(FloatArray(10), Affine(), Pose(model.keypointCount))
            }
        assertContains(error.message!!, "64 x 64 x 17")
    }

    private companion object {
        const val TOLERANCE = 1e-9
    }
}
