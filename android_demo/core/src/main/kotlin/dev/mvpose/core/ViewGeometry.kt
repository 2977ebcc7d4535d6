package dev.mvpose.core

import kotlin.math.max
import kotlin.math.min

/**
 * From a camera's buffer to the upright picture, and from there to a view on the screen.
 *
 * Pixel centres of buffers and pictures are whole numbers; a view measures from edge to edge, so
 * that the centre of pixel i lies at (i + 0.5) times the scale.
 */
class ViewGeometry {
    val bufferToUpright = Affine()
    val uprightToView = Affine()
    val viewToUpright = Affine()
    var uprightWidth = 0
        private set
    var uprightHeight = 0
        private set

    /**
     * Work the matrices out.
     *
     * @param rotationDegrees 0, 90, 180 or 270: the clockwise turn that makes the buffer upright
     * @param mirror exchange left and right, as a front camera's preview does
     * @param fill cover the view and cut off what reaches beyond; otherwise show the whole picture
     */
    fun set(
        bufferWidth: Int,
        bufferHeight: Int,
        rotationDegrees: Int,
        mirror: Boolean,
        fill: Boolean,
        viewWidth: Double,
        viewHeight: Double,
    ) {
        CropGeometry.uprightMatrix(bufferWidth, bufferHeight, rotationDegrees, bufferToUpright)
        val lying = rotationDegrees % 180 != 0
        uprightWidth = if (lying) bufferHeight else bufferWidth
        uprightHeight = if (lying) bufferWidth else bufferHeight
        val across = viewWidth / uprightWidth
        val down = viewHeight / uprightHeight
        val scale = if (fill) max(across, down) else min(across, down)
        val x0 = scale / 2 + (viewWidth - scale * uprightWidth) / 2
        val y0 = scale / 2 + (viewHeight - scale * uprightHeight) / 2
        if (mirror) {
            uprightToView.set(-scale, 0.0, viewWidth - x0, 0.0, scale, y0)
        } else {
            uprightToView.set(scale, 0.0, x0, 0.0, scale, y0)
        }
        viewToUpright.setInverse(uprightToView)
    }
}
