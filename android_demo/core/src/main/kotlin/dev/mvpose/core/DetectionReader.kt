package dev.mvpose.core

import kotlin.math.max
import kotlin.math.min

/** The people of a picture, best first, in pixels of the upright picture. */
class Detections(val boxes: List<Box>, val scores: DoubleArray)

/** An output of a network in real numbers; its [shape] is with batch. */
class DetectorOutput(val values: FloatArray, val shape: IntArray)

/** Reads the outputs of a detector. */
class DetectionReader(private val adapter: DetectorAdapter) {
    private val letterbox = Letterbox(adapter)

    /**
     * Find the people.
     *
     * @param outputs in the order of [DetectorAdapter.places]
     * @throws DamagedOutput a value is NaN or infinite, or the outputs are not the adapter's
     */
    fun read(outputs: List<DetectorOutput>, imageWidth: Int, imageHeight: Int): Detections {
        letterbox.set(imageWidth, imageHeight)
        val rows = DetectionRows(adapter, outputs)
        val found = mutableListOf<Detection>()
        for (row in 0 until rows.count) {
            if (!rows.isPerson(row)) continue
            val score = rows.score(row)
            val left = rows.left(row)
            val top = rows.top(row)
            val right = rows.right(row)
            val bottom = rows.bottom(row)
            if (!(left + top + right + bottom + score).isFinite()) {
                throw DamagedOutput(
                    "the detector ${adapter.name} gives NaN or infinity; its file is damaged",
                )
            }
            val box = toImage(left, top, right, bottom, imageWidth, imageHeight)
            if (box.width > 0 && box.height > 0) found += Detection(box, score)
        }
        return best(found)
    }

    /** From the input to the picture, within its borders. */
    private fun toImage(
        left: Double,
        top: Double,
        right: Double,
        bottom: Double,
        imageWidth: Int,
        imageHeight: Int,
    ): Box {
        val matrix = letterbox.matrix
        val limitX = imageWidth.toDouble()
        val limitY = imageHeight.toDouble()
        val x = ((left - matrix.x0) / matrix.xx).coerceIn(0.0, limitX)
        val y = ((top - matrix.y0) / matrix.yy).coerceIn(0.0, limitY)
        val width = ((right - matrix.x0) / matrix.xx).coerceIn(0.0, limitX) - x
        val height = ((bottom - matrix.y0) / matrix.yy).coerceIn(0.0, limitY) - y
        return Box(x, y, width, height)
    }

    /** Those above the floor that no better one overlaps; in float, as OpenCV's NMSBoxes. */
    private fun best(found: List<Detection>): Detections {
        val floor = adapter.scoreFloor.toFloat()
        val ceiling = adapter.iouCeiling.toFloat()
        val kept = mutableListOf<Detection>()
        for (next in found.sortedByDescending { it.score }) {
            val clear = kept.all { overlap(it.box, next.box) <= ceiling }
            if (clear && next.score.toFloat() > floor) kept += next
        }
        return Detections(kept.map { it.box }, DoubleArray(kept.size) { kept[it].score })
    }

    /** Intersection over union. */
    private fun overlap(a: Box, b: Box): Float {
        val width = min(a.left + a.width, b.left + b.width) - max(a.left, b.left)
        val height = min(a.top + a.height, b.top + b.height) - max(a.top, b.top)
        if (width <= 0 || height <= 0) return 0f
        val shared = width * height
        return (shared / (a.width * a.height + b.width * b.height - shared)).toFloat()
    }

    private class Detection(val box: Box, val score: Double)
}
