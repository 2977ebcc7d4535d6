package dev.mvpose.demo.ui

import android.content.Context
import android.graphics.RectF
import android.view.MotionEvent
import android.view.View
import dev.mvpose.demo.R

/** A finger that draws a box. */
internal class BoxDrag(context: Context) : View.OnTouchListener {
    var onMove: () -> Unit = {}

    /** From where to where, in pixels of the view; both sides are long enough to be meant. */
    var onEnd: (Float, Float, Float, Float) -> Unit = { _, _, _, _ -> }

    /** The box so far; null: none is being drawn. */
    val box: RectF?
        get() = drawn.takeIf { active }

    private val smallest = context.resources.getDimension(R.dimen.smallest_drag)
    private val drawn = RectF()
    private var active = false
    private var startX = 0f
    private var startY = 0f

    override fun onTouch(view: View, event: MotionEvent): Boolean {
        when (event.actionMasked) {
            MotionEvent.ACTION_DOWN -> begin(event)
            MotionEvent.ACTION_MOVE -> move(event)
            MotionEvent.ACTION_UP -> end(view, event)
            MotionEvent.ACTION_CANCEL -> active = false
            else -> return false
        }
        onMove()
        return true
    }

    private fun begin(event: MotionEvent) {
        startX = event.x
        startY = event.y
        active = true
        move(event)
    }

    private fun move(event: MotionEvent) {
        drawn.set(startX, startY, event.x, event.y)
        drawn.sort()
    }

    private fun end(view: View, event: MotionEvent) {
        move(event)
        active = false
        if (drawn.width() < smallest || drawn.height() < smallest) {
            view.performClick()
        } else {
            onEnd(startX, startY, event.x, event.y)
        }
    }
}
