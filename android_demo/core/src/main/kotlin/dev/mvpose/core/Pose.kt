package dev.mvpose.core

/**
 * One person's keypoints in pixels of the upright picture, in the order of the skeleton.
 *
 * A pipeline gives the same object for every frame: [set] copies it where another thread draws.
 */
class Pose(val keypointCount: Int) {
    val x = DoubleArray(keypointCount)
    val y = DoubleArray(keypointCount)

    /** Heights of the heatmaps' peaks, about 0..1. */
    val scores = DoubleArray(keypointCount)

    /** Mean of the scores above the model's floor; 0 where there are none. */
    var score = 0.0
        private set

    /** A copy of [other], which has as many keypoints. */
    fun set(other: Pose) {
        System.arraycopy(other.x, 0, x, 0, keypointCount)
        System.arraycopy(other.y, 0, y, 0, keypointCount)
        System.arraycopy(other.scores, 0, scores, 0, keypointCount)
        score = other.score
    }

    /** Work [score] out of the [scores] above [floor]. */
    fun updateScore(floor: Double) {
        var sum = 0.0
        var count = 0
        for (k in 0 until keypointCount) {
            if (scores[k] > floor) {
                sum += scores[k]
                count++
            }
        }
        score = if (count == 0) 0.0 else sum / count
    }
}
