package dev.mvpose.core

/**
 * How heatmaps become keypoints.
 *
 * @property method the step from the highest cell to the keypoint
 * @property sigmaCells standard deviation of the training Gaussians at a heatmap 64 cells high
 * @property grid where the cells lie in the crop
 * @property scoreFloor a pose's score is the mean of its keypoints' above this
 */
class DecodeRule(
    val method: Method,
    val sigmaCells: Double,
    val grid: Grid,
    val scoreFloor: Double,
) {
    enum class Method {
        /** Zhang et al., CVPR 2020, arXiv 1910.06278, in UDP's form. */
        DARK,

        /** A quarter of a cell towards the higher neighbour. */
        QUARTER,

        /** The highest cell. */
        ARGMAX,
    }

    enum class Grid {
        /** The corner cells on the corner pixels (UDP). */
        CORNERS,

        /** Cell i on pixel i * stride. */
        STRIDE,
        ;

        /** Crop pixels from one cell to the next, along a side. */
        fun pxPerCell(inputPx: Int, cells: Int): Double =
            if (this == CORNERS) (inputPx - 1.0) / (cells - 1.0) else inputPx.toDouble() / cells
    }
}
