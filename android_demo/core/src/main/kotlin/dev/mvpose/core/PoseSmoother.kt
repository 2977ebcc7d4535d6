package dev.mvpose.core

import kotlin.math.PI
import kotlin.math.sqrt

/**
 * The One Euro filter of each keypoint (Casiez, Roussel & Vogel, CHI 2012). Speeds count in lengths
 * of the person, so that the settings hold for any size of picture.
 *
 * @property scoreFloor a keypoint below it is forgotten and comes out as it is
 */
class PoseSmoother(keypointCount: Int, private val scoreFloor: Double) {
    private val x = DoubleArray(keypointCount)
    private val y = DoubleArray(keypointCount)
    private val speedX = DoubleArray(keypointCount)
    private val speedY = DoubleArray(keypointCount)
    private val seen = BooleanArray(keypointCount)
    private var lastS = Double.NaN

    /** Begin anew with the next frame. */
    fun reset() {
        seen.fill(false)
    }

    /**
     * Smooth the keypoints of a frame.
     *
     * @param timeS of the frame; a step back, or one longer than half a second, begins anew
     * @param scalePx the person's length: the longer side of the box looked in
     * @param into smoothed; the scores are those of [pose]
     */
    fun smooth(pose: Pose, timeS: Double, scalePx: Double, into: Pose) {
        val stepS = timeS - lastS
        lastS = timeS
        if (!(stepS > 0 && stepS <= LONGEST_GAP_S)) reset()
        into.set(pose)
        for (k in 0 until pose.keypointCount) {
            if (pose.scores[k] < scoreFloor) {
                seen[k] = false
                continue
            }
            if (seen[k]) {
                advance(k, pose, stepS, scalePx)
                into.x[k] = x[k]
                into.y[k] = y[k]
            } else {
                begin(k, pose)
            }
        }
    }

    private fun begin(k: Int, pose: Pose) {
        seen[k] = true
        x[k] = pose.x[k]
        y[k] = pose.y[k]
        speedX[k] = 0.0
        speedY[k] = 0.0
    }

    private fun advance(k: Int, pose: Pose, stepS: Double, scalePx: Double) {
        val speedShare = share(SPEED_CUTOFF_HZ, stepS)
        speedX[k] = mix(speedX[k], (pose.x[k] - x[k]) / stepS / scalePx, speedShare)
        speedY[k] = mix(speedY[k], (pose.y[k] - y[k]) / stepS / scalePx, speedShare)
        val speed = sqrt(speedX[k] * speedX[k] + speedY[k] * speedY[k])
        val share = share(MIN_CUTOFF_HZ + BETA * speed, stepS)
        x[k] = mix(x[k], pose.x[k], share)
        y[k] = mix(y[k], pose.y[k], share)
    }

    private fun mix(old: Double, new: Double, share: Double): Double =
        share * new + (1 - share) * old

    /** How much of the new value a low-pass filter takes. */
    private fun share(cutoffHz: Double, stepS: Double): Double =
        1 / (1 + 1 / (2 * PI * cutoffHz * stepS))

    companion object {
        /** Cut-off frequency at rest; lower trembles less. */
        const val MIN_CUTOFF_HZ = 1.5

        /** Growth of the cut-off with speed, in Hz for one length a second; higher lags less. */
        const val BETA = 10.0

        /** Cut-off frequency of the speed itself. */
        const val SPEED_CUTOFF_HZ = 1.0

        /** After a longer pause the filter begins anew. */
        const val LONGEST_GAP_S = 0.5
    }
}
