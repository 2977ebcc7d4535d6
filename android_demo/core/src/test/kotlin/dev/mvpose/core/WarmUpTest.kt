package dev.mvpose.core

import kotlin.math.max
import kotlin.math.pow
import kotlin.test.Test
import kotlin.test.assertEquals

class WarmUpTest {
    @Test
    fun `it ends once runs no longer become faster`() {
        val cases =
            mapOf(
                "at once" to Triple({ _: Int -> 5.0 }, 10, true),
                "two per cent faster" to Triple({ i: Int -> if (i < 5) 50.0 else 49.0 }, 10, true),
                "four per cent faster" to Triple({ i: Int -> if (i < 5) 50.0 else 48.0 }, 11, true),
                "after it became faster" to Triple({ i: Int -> max(1.0, 20.0 - i) }, 25, true),
                "never" to Triple({ i: Int -> 1000.0 * 0.9.pow(i) }, 60, false),
            )
        for ((name, case) in cases) {
            val (time, runs, settled) = case
            val warmUp = WarmUp()
            while (!warmUp.record(time(warmUp.runs))) continue
            assertEquals(runs to settled, warmUp.runs to warmUp.settled, name)
        }
    }
}
