package dev.mvpose.core

import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class QuantiserTest {
    @Test
    fun `pixels are stored as Python stores them`() {
        val pixels = floatArrayOf(0f, 1f, 2f, 3f, 127f, 128f, 254f, 255f)
        val cases =
            mapOf(
                "scale 1, as exported" to
                    Triple(1.0, -128, listOf(-128, -127, -126, -125, -1, 0, 126, 127)),
                "halves go to even" to
                    Triple(2.0, -128, listOf(-128, -128, -127, -126, -64, -64, -1, 0)),
                "clipped" to Triple(0.5, -28, listOf(-28, -26, -24, -22, 127, 127, 127, 127)),
            )
        for ((name, case) in cases) {
            val (scale, zeroPoint, expected) = case
            val stored = ByteArray(pixels.size)
            Quantiser(int8(scale, zeroPoint)).store(pixels, stored)
            assertEquals(expected, stored.map { it.toInt() }, name)
        }
    }

    @Test
    fun `real numbers are restored in single precision`() {
        val restored = FloatArray(3)
        Quantiser(int8(0.0041, -120)).restore(byteArrayOf(-128, -120, 127), restored)
        assertContentEquals(floatArrayOf(-8 * 0.0041f, 0f, 247 * 0.0041f), restored)
    }

    @Test
    fun `arrays of different lengths are refused`() {
        val quantiser = Quantiser(int8(1.0, 0))
        assertFailsWith<IllegalArgumentException> { quantiser.store(FloatArray(3), ByteArray(2)) }
        assertFailsWith<IllegalArgumentException> { quantiser.restore(ByteArray(2), FloatArray(3)) }
    }

    @Test
    fun `floats need no quantiser`() {
        assertFailsWith<IllegalArgumentException> {
            Quantiser(TensorInfo(intArrayOf(1, 8), ElementType.FLOAT32, 0.0, 0))
        }
    }

    private fun int8(scale: Double, zeroPoint: Int) =
        TensorInfo(intArrayOf(1, 8), ElementType.INT8, scale, zeroPoint)
}
