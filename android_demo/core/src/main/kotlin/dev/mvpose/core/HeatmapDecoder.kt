package dev.mvpose.core

import kotlin.math.sign

/** Reads one person's keypoints off the heatmaps of [model], (height, width, keypoints). */
class HeatmapDecoder(model: ModelDescription) {
    private val rule = model.decode
    private val width = model.heatmapWidth
    private val height = model.heatmapHeight
    private val maps = model.keypointCount
    private val pxPerCellX = rule.grid.pxPerCell(model.inputWidth, width)
    private val pxPerCellY = rule.grid.pxPerCell(model.inputHeight, height)
    private val dark = DarkStep(width, height, maps, rule.sigmaCells)
    private val highest = IntArray(maps)
    private val peaks = FloatArray(maps)
    private val wrongSize =
        "the network's output is not the heatmaps $width x $height x $maps that its description " +
            "says; export the model again"
    private val damaged =
        DamagedOutput("the network gives NaN or infinity; try another accelerator or file")

    /**
     * Read the keypoints.
     *
     * @param cropToImage from the crop's pixels to those of the pose
     * @throws DamagedOutput a value is NaN or infinite, or there are too few or many; [into] is as
     *   it was
     */
    fun decode(heatmaps: FloatArray, cropToImage: Affine, into: Pose) {
        if (heatmaps.size != width * height * maps) throw DamagedOutput(wrongSize)
        findHighest(heatmaps)
        for (k in 0 until maps) {
            val cellX = highest[k] % width
            val cellY = highest[k] / width
            var x = cellX.toDouble()
            var y = cellY.toDouble()
            when (rule.method) {
                DecodeRule.Method.DARK -> {
                    dark.find(heatmaps, k, cellX, cellY)
                    x += dark.x
                    y += dark.y
                }

                DecodeRule.Method.QUARTER -> {
                    val at = highest[k] * maps + k
                    if (cellX in 1..width - 2) x += quarter(heatmaps, at, maps)
                    if (cellY in 1..height - 2) y += quarter(heatmaps, at, width * maps)
                }

                DecodeRule.Method.ARGMAX -> {}
            }
            x *= pxPerCellX
            y *= pxPerCellY
            into.x[k] = cropToImage.mapX(x, y)
            into.y[k] = cropToImage.mapY(x, y)
            into.scores[k] = peaks[k].toDouble()
        }
        into.updateScore(rule.scoreFloor)
    }

    /** The first of the highest cells of each map. */
    private fun findHighest(heatmaps: FloatArray) {
        peaks.fill(Float.NEGATIVE_INFINITY)
        var finite = 0f
        var at = 0
        for (cell in 0 until width * height) {
            for (k in 0 until maps) {
                val value = heatmaps[at++]
                finite += value * 0f
                if (value > peaks[k]) {
                    peaks[k] = value
                    highest[k] = cell
                }
            }
        }
        if (finite.isNaN()) throw damaged
    }

    /** A quarter of a cell towards the higher of the neighbours [step] values before and after. */
    private fun quarter(heatmaps: FloatArray, at: Int, step: Int): Double =
        0.25 * sign(heatmaps[at + step].toDouble() - heatmaps[at - step])
}
