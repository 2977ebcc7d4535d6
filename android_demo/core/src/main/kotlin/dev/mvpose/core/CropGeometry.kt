package dev.mvpose.core

import kotlin.math.max

/**
 * Box -> crop, by UDP's convention (Huang et al., CVPR 2020, arXiv 1911.07524): lengths are counted
 * between pixel centres, so a region of w pixels spans w units of the picture and width - 1 of the
 * crop.
 */
object CropGeometry {
    /**
     * The matrix [into] from upright picture to crop: the region about [box] that has the crop's
     * aspect ratio, grown by [padding].
     *
     * @throws IllegalArgumentException the box has no area
     */
    fun cropMatrix(box: Box, cropWidth: Int, cropHeight: Int, padding: Double, into: Affine) {
        require(box.width > 0 && box.height > 0) {
            "a box of ${box.width} x ${box.height} pixels has no area"
        }
        val aspect = cropWidth.toDouble() / cropHeight
        val scaleX = (cropWidth - 1) / (max(box.width, box.height * aspect) * padding)
        val scaleY = (cropHeight - 1) / (max(box.height, box.width / aspect) * padding)
        val centreX = box.left + box.width / 2
        val centreY = box.top + box.height / 2
        val x0 = (cropWidth - 1) / 2.0 - scaleX * centreX
        val y0 = (cropHeight - 1) / 2.0 - scaleY * centreY
        into.set(scaleX, 0.0, x0, 0.0, scaleY, y0)
    }

    fun uprightMatrix(frame: Frame, into: Affine) =
        uprightMatrix(frame.width, frame.height, frame.rotationDegrees, into)

    /** The matrix [into] from a buffer's pixels to those of the upright picture. */
    fun uprightMatrix(width: Int, height: Int, rotationDegrees: Int, into: Affine) {
        val right = width - 1.0
        val bottom = height - 1.0
        when (rotationDegrees) {
            0 -> into.set(1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
            90 -> into.set(0.0, -1.0, bottom, 1.0, 0.0, 0.0)
            180 -> into.set(-1.0, 0.0, right, 0.0, -1.0, bottom)
            270 -> into.set(0.0, 1.0, 0.0, -1.0, 0.0, right)
            else -> throw IllegalArgumentException("no quarter turn: $rotationDegrees degrees")
        }
    }
}
