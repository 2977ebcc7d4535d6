package dev.mvpose.core

import java.util.Arrays
import kotlin.math.min

/** The last [capacity] times of one step, in milliseconds. */
class LatencyRecorder(private val capacity: Int = 60) {
    private val times = DoubleArray(capacity)
    private val ends = LongArray(capacity)
    private val sorted = DoubleArray(capacity)
    private var recorded = 0

    /** How many there are. */
    val count: Int get() = min(recorded, capacity)

    /** NaN where there are none. */
    val medianMs: Double get() = timeBelow(MEDIAN)

    /** Nine of ten were faster; NaN where there are none. */
    val p90Ms: Double get() = timeBelow(P90)

    /** Steps that ended in a second; 0 where there are fewer than two. */
    val framesPerSecond: Double
        get() {
            if (count < 2) return 0.0
            val spanNs = ends[(recorded - 1) % capacity] - ends[(recorded - count) % capacity]
            return if (spanNs > 0) (count - 1) * NS_PER_S / spanNs else 0.0
        }

    /** Add a step that took so long and ended then. */
    fun record(milliseconds: Double, endNs: Long) {
        times[recorded % capacity] = milliseconds
        ends[recorded % capacity] = endNs
        recorded++
        if (recorded == 2 * capacity) recorded = capacity
    }

    fun clear() {
        recorded = 0
    }

    private fun timeBelow(share: Double): Double {
        System.arraycopy(times, 0, sorted, 0, count)
        Arrays.sort(sorted, 0, count)
        return percentile(sorted, count, share)
    }

    private companion object {
        const val MEDIAN = 0.5
        const val P90 = 0.9
        const val NS_PER_S = 1e9
    }
}
