package dev.mvpose.demo.pose

import dev.mvpose.core.Box
import dev.mvpose.core.Pose
import dev.mvpose.core.Skeleton

/** Everything that is drawn of one frame. */
class PoseSheet(val skeleton: Skeleton, val scoreFloor: Double) {
    val pose = Pose(skeleton.keypoints.size)

    /** Where the person was looked for. */
    val box = Box()
    var bufferWidth = 0
        private set
    var bufferHeight = 0
        private set
    var rotationDegrees = 0
        private set
    var mirror = false
        private set

    fun setFrame(width: Int, height: Int, rotationDegrees: Int, mirror: Boolean) {
        bufferWidth = width
        bufferHeight = height
        this.rotationDegrees = rotationDegrees
        this.mirror = mirror
    }

    /** A copy of [other], which has the same skeleton. */
    fun set(other: PoseSheet) {
        pose.set(other.pose)
        box.set(other.box)
        setFrame(other.bufferWidth, other.bufferHeight, other.rotationDegrees, other.mirror)
    }
}

/** Hands the newest sheet from the inference thread to the screen; both only copy. */
class PoseBoard {
    private var newest: PoseSheet? = null

    @Synchronized
    fun publish(sheet: PoseSheet) {
        newest = copy(sheet, newest)
    }

    /** The newest sheet, in [into] where that fits; null: there is none. */
    @Synchronized
    fun read(into: PoseSheet?): PoseSheet? = newest?.let { copy(it, into) }

    @Synchronized
    fun clear() {
        newest = null
    }

    private fun copy(sheet: PoseSheet, into: PoseSheet?): PoseSheet {
        val fits = into != null && into.skeleton === sheet.skeleton
        val target = if (fits) into else PoseSheet(sheet.skeleton, sheet.scoreFloor)
        target.set(sheet)
        return target
    }
}
