package dev.mvpose.core

/**
 * The value below which a [share] 0..1 of the first [count] of [sorted] lies, interpolated as NumPy
 * does; NaN where there are none.
 */
internal fun percentile(sorted: DoubleArray, count: Int, share: Double): Double {
    if (count == 0) return Double.NaN
    val place = share * (count - 1)
    val below = place.toInt()
    val above = if (below + 1 < count) below + 1 else below
    return sorted[below] + (place - below) * (sorted[above] - sorted[below])
}
