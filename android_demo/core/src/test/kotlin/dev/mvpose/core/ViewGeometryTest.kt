package dev.mvpose.core

import kotlin.test.Test
import kotlin.test.assertEquals

class ViewGeometryTest {
    @Test
    fun `rotations, mirrorings and views are Python's`() =
        Golden.forEachCase("view.json") { case ->
            val (width, height) = case.getJSONArray("buffer_wh").ints()
            val (viewWidth, viewHeight) = case.getJSONArray("view_wh").numbers()
            val view = ViewGeometry()
            val mirror = case.getBoolean("mirror")
            val fill = case.getBoolean("fill")
            val rotation = case.getInt("rotation_deg")
            view.set(width, height, rotation, mirror, fill, viewWidth, viewHeight)
            val upright = case.getJSONArray("upright_wh").ints().toList()
            assertEquals(upright, listOf(view.uprightWidth, view.uprightHeight))
            val matrices =
                mapOf(
                    "buffer_to_upright" to view.bufferToUpright,
                    "upright_to_view" to view.uprightToView,
                    "view_to_upright" to view.viewToUpright,
                )
            for ((name, matrix) in matrices) {
                assertNear(case.getJSONArray(name).toAffine(), matrix, TOLERANCE, name)
            }
            val buffer = case.getJSONArray("points_buffer_px").rows()
            val image = case.getJSONArray("points_upright_px").rows()
            val seen = case.getJSONArray("points_view_px").rows()
            assertMaps(view.bufferToUpright, buffer, image)
            assertMaps(view.uprightToView, image, seen)
            assertMaps(view.viewToUpright, seen, image)
        }

    @Test
    fun `nine values for a matrix of Android`() {
        val values = FloatArray(9)
        Affine().apply { set(1.0, 2.0, 3.0, 4.0, 5.0, 6.0) }.copyTo(values)
        assertEquals(listOf(1f, 2f, 3f, 4f, 5f, 6f, 0f, 0f, 1f), values.toList())
    }

    private fun assertMaps(matrix: Affine, from: List<DoubleArray>, to: List<DoubleArray>) {
        for ((point, expected) in from.zip(to)) {
            assertNear(expected[0], matrix.mapX(point[0], point[1]), TOLERANCE, "x")
            assertNear(expected[1], matrix.mapY(point[0], point[1]), TOLERANCE, "y")
        }
    }

    private companion object {
        const val TOLERANCE = 1e-9
    }
}
