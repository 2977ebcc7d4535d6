package dev.mvpose.core

import kotlin.math.max
import kotlin.math.min

/**
 * Where to look for the one person: one inference a frame, in the box that a user or detector
 * chose, else about the last pose, else in the whole picture.
 */
class PersonTracker {
    /** Where the current frame is looked in. */
    val box = Box()

    /** Whether [box] comes from the last pose. */
    var tracked = false
        private set

    /** Whether [box] is the whole picture, because nobody is followed. */
    var lost = true
        private set

    private val chosen = Box()
    private var hasChosen = false
    private val next = Box()
    private var hasNext = false
    private var imageWidth = 0
    private var imageHeight = 0

    /** Look in [box] at the next frame: one that a user drew or a detector found. */
    fun choose(box: Box) {
        chosen.set(box)
        hasChosen = true
    }

    /** Look at the whole of the next frame. */
    fun reset() {
        hasChosen = false
        hasNext = false
    }

    /**
     * The box to look in, in a picture of this size.
     *
     * A chosen box that has no area or lies outside does not count, nor a pose in a picture of
     * another size.
     */
    fun boxFor(imageWidth: Int, imageHeight: Int): Box {
        val sameSize = imageWidth == this.imageWidth && imageHeight == this.imageHeight
        this.imageWidth = imageWidth
        this.imageHeight = imageHeight
        val choice = hasChosen && chosen.meets(imageWidth, imageHeight)
        hasChosen = false
        tracked = !choice && hasNext && sameSize
        lost = !choice && !tracked
        when {
            choice -> box.set(chosen)
            tracked -> box.set(next)
            else -> box.set(0.0, 0.0, imageWidth.toDouble(), imageHeight.toDouble())
        }
        return box
    }

    /** Go on from the pose that was found in [box], as it was found, not smoothed. */
    fun update(pose: Pose) {
        hasNext = boxAround(pose)
    }

    /**
     * The box [next] about the confident keypoints, within the picture; false where fewer than four
     * are confident, or they lie on one spot or outside. The padding makes room for what lies
     * beyond the keypoints: crown, hands and feet.
     */
    private fun boxAround(pose: Pose): Boolean {
        var left = Double.POSITIVE_INFINITY
        var top = Double.POSITIVE_INFINITY
        var right = Double.NEGATIVE_INFINITY
        var bottom = Double.NEGATIVE_INFINITY
        var count = 0
        for (k in 0 until pose.keypointCount) {
            if (pose.scores[k] > CONFIDENT) {
                left = min(left, pose.x[k])
                right = max(right, pose.x[k])
                top = min(top, pose.y[k])
                bottom = max(bottom, pose.y[k])
                count++
            }
        }
        if (count < FEWEST_CONFIDENT) return false
        val narrowest = NARROWEST * max(right - left, bottom - top)
        val halfWidth = max(right - left, narrowest) * PADDING / 2
        val halfHeight = max(bottom - top, narrowest) * PADDING / 2
        val centreX = (left + right) / 2
        val centreY = (top + bottom) / 2
        left = max(centreX - halfWidth, 0.0)
        top = max(centreY - halfHeight, 0.0)
        right = min(centreX + halfWidth, imageWidth.toDouble())
        bottom = min(centreY + halfHeight, imageHeight.toDouble())
        next.set(left, top, right - left, bottom - top)
        return next.width >= SMALLEST_PX && next.height >= SMALLEST_PX
    }

    companion object {
        /** A keypoint scored above this counts. */
        const val CONFIDENT = 0.3

        /** So many keypoints make a box. */
        const val FEWEST_CONFIDENT = 4

        /** The shorter side of a box, at least, as a share of the longer one. */
        const val NARROWEST = 0.25

        /** Growth of the box about the keypoints. */
        const val PADDING = 1.15

        /** Of a box's side. */
        const val SMALLEST_PX = 2.0
    }
}
