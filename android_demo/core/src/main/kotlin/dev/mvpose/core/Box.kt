package dev.mvpose.core

/** A rectangle in pixels of the upright picture. */
class Box(
    var left: Double = 0.0,
    var top: Double = 0.0,
    var width: Double = 0.0,
    var height: Double = 0.0,
) {
    fun set(left: Double, top: Double, width: Double, height: Double) {
        this.left = left
        this.top = top
        this.width = width
        this.height = height
    }

    fun set(other: Box) = set(other.left, other.top, other.width, other.height)

    /** Whether it has an area, and some of it within a picture of this size. */
    fun meets(imageWidth: Int, imageHeight: Int): Boolean =
        width > 0 && height > 0 && left < imageWidth && top < imageHeight &&
            left + width > 0 && top + height > 0
}
