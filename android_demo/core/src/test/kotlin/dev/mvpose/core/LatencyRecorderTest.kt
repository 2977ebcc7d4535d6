package dev.mvpose.core

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class LatencyRecorderTest {
    @Test
    fun `the last times count`() {
        val recorder = LatencyRecorder(4)
        val times = listOf(100.0, 100.0, 1.0, 2.0, 3.0, 4.0, 100.0, 1.0, 2.0, 3.0, 4.0)
        for ((i, time) in times.withIndex()) recorder.record(time, i * 50_000_000L)
        assertEquals(4, recorder.count)
        assertEquals(2.5, recorder.medianMs)
        assertNear(3.7, recorder.p90Ms, 1e-12, "p90")
        assertNear(20.0, recorder.framesPerSecond, 1e-9, "frames per second")
    }

    @Test
    fun `without times there is no median`() {
        val recorder = LatencyRecorder(4)
        recorder.record(1.0, 5)
        recorder.clear()
        assertEquals(0, recorder.count)
        assertTrue(recorder.medianMs.isNaN())
        assertEquals(0.0, recorder.framesPerSecond)
    }
}
