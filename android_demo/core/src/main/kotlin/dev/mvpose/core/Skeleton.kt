package dev.mvpose.core

/**
 * The keypoints of a data set, in the order of the heatmaps.
 *
 * @property keypoints names
 * @property flipPairs pairs of indices that change places in a mirrored picture
 * @property edges pairs of indices joined by a line when drawn
 */
class Skeleton(
    val keypoints: List<String>,
    val flipPairs: List<IntArray>,
    val edges: List<IntArray>,
)
