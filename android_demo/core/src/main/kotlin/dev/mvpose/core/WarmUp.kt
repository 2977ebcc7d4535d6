package dev.mvpose.core

import kotlin.math.min

/**
 * When to end warming up: once the fastest of the last five runs is within 3 % of the fastest of
 * the five before, or after 60 runs; as `mvpose-benchmark` does.
 */
class WarmUp {
    private val times = DoubleArray(MOST)

    /** How many there were. */
    var runs = 0
        private set

    /** Whether runs no longer became faster. */
    var settled = false
        private set

    /** Add the time of a run; false where another one is needed. */
    fun record(milliseconds: Double): Boolean {
        times[runs++] = milliseconds
        settled =
            runs >= 2 * WINDOW &&
            fastest(runs - WINDOW) > (1 - SETTLED) * fastest(runs - 2 * WINDOW)
        return settled || runs == MOST
    }

    private fun fastest(from: Int): Double {
        var fastest = Double.POSITIVE_INFINITY
        for (i in from until from + WINDOW) fastest = min(fastest, times[i])
        return fastest
    }

    private companion object {
        const val WINDOW = 5
        const val SETTLED = 0.03
        const val MOST = 60
    }
}
