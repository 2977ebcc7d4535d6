package dev.mvpose.core

import kotlin.math.exp
import kotlin.math.ln
import kotlin.math.max
import kotlin.math.min
import kotlin.math.round

/**
 * DARK's Newton step from the highest cell to the top of the Gaussian: equation 9 of Zhang et al.,
 * CVPR 2020, arXiv 1910.06278, with UDP's order of operations (blur, clip at 1e-3, logarithm).
 *
 * Steps are limited to one cell; where the map is no maximum (flat or a saddle) the step is 0.
 */
internal class DarkStep(
    private val width: Int,
    private val height: Int,
    private val maps: Int,
    sigmaCells: Double,
) {
    /** The last step, in cells. */
    var x = 0.0
        private set
    var y = 0.0
        private set

    private val sigma = sigmaCells * height / SIGMA_HEIGHT
    private val radius = round(RADIUS * sigma).toInt()
    private val kernel = gaussian(radius, sigma)
    private val rows = DoubleArray((2 * radius + 3) * 3)
    private val logs = DoubleArray(9)

    /** Step from the highest cell ([cellX], [cellY]) of map [map] of (height, width, maps). */
    fun find(heatmaps: FloatArray, map: Int, cellX: Int, cellY: Int) {
        blurAcross(heatmaps, map, cellX, cellY)
        blurDown(cellY)
        val v = logs
        val dx = (v[5] - v[3]) / 2
        val dy = (v[7] - v[1]) / 2
        val dxx = v[5] - 2 * v[4] + v[3]
        val dyy = v[7] - 2 * v[4] + v[1]
        val dxy = (v[8] - v[6] - v[2] + v[0]) / 4
        val determinant = dxx * dyy - dxy * dxy
        val peak = determinant > FLAT && dxx < 0
        x = if (peak) ((dxy * dy - dyy * dx) / determinant).coerceIn(-1.0, 1.0) else 0.0
        y = if (peak) ((dxy * dx - dxx * dy) / determinant).coerceIn(-1.0, 1.0) else 0.0
    }

    /** Three blurred columns of each row that the nine values need; zeros beyond the border. */
    private fun blurAcross(heatmaps: FloatArray, map: Int, cellX: Int, cellY: Int) {
        for (row in 0 until 2 * radius + 3) {
            val fromY = cellY - radius - 1 + row
            for (side in -1..1) {
                val column = (cellX + side).coerceIn(0, width - 1)
                var sum = 0.0
                if (fromY in 0 until height) {
                    for (fromX in max(0, column - radius)..min(width - 1, column + radius)) {
                        val value = heatmaps[(fromY * width + fromX) * maps + map]
                        sum += kernel[fromX - column + radius] * value
                    }
                }
                rows[row * 3 + side + 1] = sum
            }
        }
    }

    private fun blurDown(cellY: Int) {
        for (i in 0 until 9) {
            val line = (cellY + i / 3 - 1).coerceIn(0, height - 1)
            var sum = 0.0
            for (tap in 0..2 * radius) {
                sum += kernel[tap] * rows[(line + tap - cellY + 1) * 3 + i % 3]
            }
            logs[i] = ln(sum.coerceIn(LOWEST, HIGHEST))
        }
    }

    private companion object {
        const val SIGMA_HEIGHT = 64
        const val RADIUS = 2.5
        const val FLAT = 1e-12
        const val LOWEST = 1e-3
        const val HIGHEST = 50.0

        fun gaussian(radius: Int, sigma: Double): DoubleArray {
            val heights =
                DoubleArray(2 * radius + 1) { i ->
                    val distance = (i - radius).toDouble()
                    exp(-0.5 / (sigma * sigma) * distance * distance)
                }
            val sum = heights.sum()
            return DoubleArray(heights.size) { i -> heights[i] / sum }
        }
    }
}
