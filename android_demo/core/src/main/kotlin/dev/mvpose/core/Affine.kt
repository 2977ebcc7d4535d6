package dev.mvpose.core

/**
 * A 2 x 3 matrix between two pictures, in pixels: x' = [xx] x + [xy] y + [x0], y' = [yx] x + [yy] y
 * + [y0]. It can be changed, so that a frame allocates nothing.
 */
class Affine {
    var xx = 1.0
        private set
    var xy = 0.0
        private set
    var x0 = 0.0
        private set
    var yx = 0.0
        private set
    var yy = 1.0
        private set
    var y0 = 0.0
        private set

    /** The values in the order of the rows. */
    fun set(xx: Double, xy: Double, x0: Double, yx: Double, yy: Double, y0: Double) {
        this.xx = xx
        this.xy = xy
        this.x0 = x0
        this.yx = yx
        this.yy = yy
        this.y0 = y0
    }

    /** First [inner], then [outer]; either may be this one. */
    fun setProduct(outer: Affine, inner: Affine) =
        set(
            outer.xx * inner.xx + outer.xy * inner.yx,
            outer.xx * inner.xy + outer.xy * inner.yy,
            outer.xx * inner.x0 + outer.xy * inner.y0 + outer.x0,
            outer.yx * inner.xx + outer.yy * inner.yx,
            outer.yx * inner.xy + outer.yy * inner.yy,
            outer.yx * inner.x0 + outer.yy * inner.y0 + outer.y0,
        )

    /** The opposite direction of [other], which may be this one and is not singular. */
    fun setInverse(other: Affine) {
        val scale = 1 / (other.xx * other.yy - other.xy * other.yx)
        val a = other.yy * scale
        val b = -other.xy * scale
        val c = -other.yx * scale
        val d = other.xx * scale
        set(a, b, -a * other.x0 - b * other.y0, c, d, -c * other.x0 - d * other.y0)
    }

    fun mapX(x: Double, y: Double): Double = xx * x + xy * y + x0

    fun mapY(x: Double, y: Double): Double = yx * x + yy * y + y0

    /** Nine values row by row, as `android.graphics.Matrix.setValues` takes them. */
    fun copyTo(values: FloatArray) {
        values[0] = xx.toFloat()
        values[1] = xy.toFloat()
        values[2] = x0.toFloat()
        values[3] = yx.toFloat()
        values[4] = yy.toFloat()
        values[5] = y0.toFloat()
        values[6] = 0f
        values[7] = 0f
        values[8] = 1f
    }
}
