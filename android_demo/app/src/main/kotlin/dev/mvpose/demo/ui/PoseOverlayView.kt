package dev.mvpose.demo.ui

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Matrix
import android.util.AttributeSet
import android.view.View
import dev.mvpose.core.Affine
import dev.mvpose.core.Box
import dev.mvpose.core.ViewGeometry
import dev.mvpose.demo.pose.PoseBoard
import dev.mvpose.demo.pose.PoseSheet
import kotlin.math.abs

/** Draws the newest pose over the camera's preview, or over a picture of its own. */
class PoseOverlayView(context: Context, attributes: AttributeSet?) : View(context, attributes) {
    /** Where the poses come from. */
    var board: PoseBoard? = null

    /** Whether what lies below covers the view and is cut off, as the preview does. */
    var fill = false

    /** The user drew a box, in pixels of the upright picture. */
    var onBox: ((Box) -> Unit)? = null

    private val geometry = ViewGeometry()
    private val painter = PosePainter(context)
    private val drag = BoxDrag(context)
    private var sheet: PoseSheet? = null
    private var picture: Bitmap? = null
    private var pictureDegrees = 0
    private val pictureMatrix = Matrix()
    private val pictureToView = Affine()
    private val values = FloatArray(9)

    init {
        setOnTouchListener(drag)
        drag.onMove = ::invalidate
        drag.onEnd = ::choose
    }

    /** Draw [bitmap] below the poses. */
    fun show(bitmap: Bitmap, rotationDegrees: Int) {
        picture = bitmap
        pictureDegrees = rotationDegrees
        invalidate()
    }

    override fun onDraw(canvas: Canvas) {
        picture?.let { draw(canvas, it) }
        sheet = board?.read(sheet)
        sheet?.let {
            place(it)
            painter.draw(canvas, it, geometry.uprightToView)
        }
        drag.box?.let { painter.draw(canvas, it) }
    }

    private fun draw(canvas: Canvas, bitmap: Bitmap) {
        place(bitmap.width, bitmap.height, pictureDegrees, mirror = false)
        pictureToView.setProduct(geometry.uprightToView, geometry.bufferToUpright)
        pictureToView.copyTo(values)
        pictureMatrix.setValues(values)
        // A canvas measures a bitmap from its edges, a picture from its first pixel's centre.
        pictureMatrix.preTranslate(-0.5f, -0.5f)
        canvas.drawBitmap(bitmap, pictureMatrix, null)
    }

    private fun place(sheet: PoseSheet) =
        place(sheet.bufferWidth, sheet.bufferHeight, sheet.rotationDegrees, sheet.mirror)

    private fun place(bufferWidth: Int, bufferHeight: Int, degrees: Int, mirror: Boolean) {
        val viewWidth = width.toDouble()
        val viewHeight = height.toDouble()
        geometry.set(bufferWidth, bufferHeight, degrees, mirror, fill, viewWidth, viewHeight)
    }

    /** A drag from (x0, y0) to (x1, y1) of the view; it may go any way. */
    private fun choose(x0: Float, y0: Float, x1: Float, y1: Float) {
        place(sheet ?: return)
        val toUpright = geometry.viewToUpright
        val left = toUpright.mapX(x0.toDouble(), y0.toDouble())
        val top = toUpright.mapY(x0.toDouble(), y0.toDouble())
        val right = toUpright.mapX(x1.toDouble(), y1.toDouble())
        val bottom = toUpright.mapY(x1.toDouble(), y1.toDouble())
        val box =
            Box(
                minOf(left, right),
                minOf(top, bottom),
                abs(right - left),
                abs(bottom - top),
            )
        onBox?.invoke(box)
    }
}
