package dev.mvpose.core

/**
 * An input or output of a model's file.
 *
 * @property shape with batch
 * @property dtype the element type
 * @property scale real = (stored - zeroPoint) * scale; 0 where real numbers are stored
 */
class TensorInfo(
    val shape: IntArray,
    val dtype: ElementType,
    val scale: Double,
    val zeroPoint: Int,
) {
    /** Number of elements. */
    val size: Int = shape.fold(1) { product, side -> product * side }
}

/** What a tensor's elements are. */
enum class ElementType { FLOAT32, INT8 }
