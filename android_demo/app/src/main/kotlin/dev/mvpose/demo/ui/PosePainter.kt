package dev.mvpose.demo.ui

import android.content.Context
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.RectF
import dev.mvpose.core.Affine
import dev.mvpose.core.Box
import dev.mvpose.demo.R
import dev.mvpose.demo.pose.PoseSheet

/** Limbs, joints and boxes on a canvas; left and right have a colour each. */
internal class PosePainter(private val context: Context) {
    private val radius = context.resources.getDimension(R.dimen.joint_radius)
    private val left = paint(R.color.left, R.dimen.limb_width)
    private val right = paint(R.color.right, R.dimen.limb_width)
    private val middle = paint(R.color.middle, R.dimen.limb_width)
    private val boxPaint =
        paint(R.color.box, R.dimen.box_width).apply { style = Paint.Style.STROKE }

    /** The pose and the box it was looked for in. */
    fun draw(canvas: Canvas, sheet: PoseSheet, toView: Affine) {
        draw(canvas, sheet.box, toView)
        for (edge in sheet.skeleton.edges) limb(canvas, sheet, edge[0], edge[1], toView)
        for (k in sheet.skeleton.keypoints.indices) {
            if (!seen(sheet, k)) continue
            canvas.drawCircle(x(sheet, k, toView), y(sheet, k, toView), radius, side(sheet, k))
        }
    }

    /** A box in pixels of the view. */
    fun draw(canvas: Canvas, box: RectF) = canvas.drawRect(box, boxPaint)

    private fun draw(canvas: Canvas, box: Box, toView: Affine) {
        val x0 = toView.mapX(box.left, box.top).toFloat()
        val y0 = toView.mapY(box.left, box.top).toFloat()
        val x1 = toView.mapX(box.left + box.width, box.top + box.height).toFloat()
        val y1 = toView.mapY(box.left + box.width, box.top + box.height).toFloat()
        canvas.drawRect(minOf(x0, x1), y0, maxOf(x0, x1), y1, boxPaint)
    }

    private fun limb(canvas: Canvas, sheet: PoseSheet, a: Int, b: Int, toView: Affine) {
        if (!seen(sheet, a) || !seen(sheet, b)) return
        val colour = side(sheet, a).takeIf { it === side(sheet, b) } ?: middle
        canvas.drawLine(
            x(sheet, a, toView),
            y(sheet, a, toView),
            x(sheet, b, toView),
            y(sheet, b, toView),
            colour,
        )
    }

    private fun seen(sheet: PoseSheet, k: Int) = sheet.pose.scores[k] >= sheet.scoreFloor

    private fun x(sheet: PoseSheet, k: Int, toView: Affine) =
        toView.mapX(sheet.pose.x[k], sheet.pose.y[k]).toFloat()

    private fun y(sheet: PoseSheet, k: Int, toView: Affine) =
        toView.mapY(sheet.pose.x[k], sheet.pose.y[k]).toFloat()

    private fun side(sheet: PoseSheet, k: Int): Paint {
        val name = sheet.skeleton.keypoints[k]
        return when {
            name.startsWith("left") -> left
            name.startsWith("right") -> right
            else -> middle
        }
    }

    private fun paint(color: Int, width: Int) =
        Paint(Paint.ANTI_ALIAS_FLAG).apply {
            this.color = context.getColor(color)
            strokeWidth = context.resources.getDimension(width)
            strokeCap = Paint.Cap.ROUND
        }
}
