package dev.mvpose.core

import com.sun.management.ThreadMXBean
import java.lang.management.ManagementFactory
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertTrue

class PosePipelineTest {
    private val model = describe()
    private val input = FloatArray(model.input.size)

    /** A person in the middle of the crop, 32 cells high, who moves to the right. */
    private val heatmaps =
        List(4) { i ->
            heatmapsOf(model, { k -> 24 + 2.3 * (k % 8) + 0.4 * i }, { k -> 16 + 2.0 * k })
        }

    @Test
    fun `crop, pose and box go together for every rotation`() {
        for (rotation in listOf(0, 90, 180, 270)) {
            val pipeline = PosePipeline(model)
            val frame = noise(160, 120, rotation)
            pipeline.prepare(frame, input)
            val whole = Box(0.0, 0.0, frame.uprightWidth.toDouble(), frame.uprightHeight.toDouble())
            assertNear(whole, pipeline.box, 0.0, "first box")
            val pose = pipeline.read(heatmaps[0], 0)
            // The crop's 255 px span 1.25 times the longer side; keypoint 0 is at cell (24, 16).
            val scale = 1.25 * 160 / 63
            assertNear(frame.uprightWidth / 2.0 + (24 - 31.5) * scale, pose.x[0], 1e-3, "x")
            assertNear(frame.uprightHeight / 2.0 + (16 - 31.5) * scale, pose.y[0], 1e-3, "y")
            pipeline.prepare(frame, input)
            assertNear(32 * scale * PersonTracker.PADDING, pipeline.box.height, 1e-3, "next height")
        }
    }

    @Test
    fun `a chosen box is looked in once`() {
        val pipeline = PosePipeline(model)
        val frame = noise(160, 120, 0)
        val chosen = Box(20.0, 30.0, 40.0, 50.0)
        pipeline.choose(chosen)
        pipeline.prepare(frame, input)
        assertNear(chosen, pipeline.box, 0.0, "chosen")
        assertFalse(pipeline.lost)
        pipeline.read(FloatArray(model.output.size), 0)
        pipeline.prepare(frame, input)
        assertNear(Box(0.0, 0.0, 160.0, 120.0), pipeline.box, 0.0, "after nobody was found")
        assertTrue(pipeline.lost)
    }

    @Test
    fun `a box chosen while the network runs is looked in next`() {
        val pipeline = PosePipeline(model)
        val frame = noise(160, 120, 0)
        val chosen = Box(20.0, 30.0, 40.0, 50.0)
        pipeline.prepare(frame, input)
        pipeline.choose(chosen)
        pipeline.read(heatmaps[0], 0)
        pipeline.prepare(frame, input)
        assertNear(chosen, pipeline.box, 0.0, "chosen")
        val pose = pipeline.read(heatmaps[3], 33_000_000)
        assertNear(40 + (25.2 - 31.5) * 62.5 / 63, pose.x[0], 1e-3, "x, not smoothed,")
    }

    @Test
    fun `damaged heatmaps forget the person`() {
        val pipeline = PosePipeline(model)
        val frame = noise(160, 120, 0)
        pipeline.prepare(frame, input)
        pipeline.read(heatmaps[0], 0)
        pipeline.prepare(frame, input)
        val damaged = FloatArray(model.output.size) { Float.NaN }
        assertFailsWith<DamagedOutput> { pipeline.read(damaged, 33_000_000) }
        pipeline.prepare(frame, input)
        assertNear(Box(0.0, 0.0, 160.0, 120.0), pipeline.box, 0.0, "box")
    }

    @Test
    fun `smoothing can be turned off`() {
        val poses =
            listOf(true, false).map { smoothing ->
                val pipeline = PosePipeline(model).also { it.smoothing = smoothing }
                pipeline.choose(Box(40.0, 20.0, 60.0, 80.0))
                var pose = Pose(model.keypointCount)
                for (i in 0 until 3) {
                    pipeline.prepare(noise(160, 120, 0), input)
                    pose = pipeline.read(heatmaps[i], i * 33_000_000L)
                }
                pose.x[0]
            }
        assertTrue(poses[0] < poses[1], "the smoothed keypoint lags: $poses")
    }

    @Test
    fun `nothing is allocated per frame`() {
        val pipeline = PosePipeline(model)
        val frames = listOf(noise(640, 480, 90), noise(640, 480, 90))
        val quantiser = Quantiser(TensorInfo(model.input.shape, ElementType.INT8, 1.0, -128))
        val stored = ByteArray(model.input.size)
        val recorder = LatencyRecorder()
        val view = ViewGeometry()
        val drawn = Pose(model.keypointCount)
        val threads = ManagementFactory.getThreadMXBean() as ThreadMXBean

        @Suppress("DEPRECATION")
        val thread = Thread.currentThread().id
        val allocated = LongArray(WINDOWS)
        for (window in 0 until WINDOWS) {
            val before = threads.getThreadAllocatedBytes(thread)
            for (i in 0 until FRAMES) {
                pipeline.prepare(frames[i and 1], input)
                quantiser.store(input, stored)
                drawn.set(pipeline.read(heatmaps[i and 3], i * 33_000_000L))
                view.set(640, 480, 90, mirror = true, fill = true, 1080.0, 2148.0)
                recorder.record(1.0, i * 33_000_000L)
                check(recorder.medianMs == 1.0)
            }
            allocated[window] = threads.getThreadAllocatedBytes(thread) - before
        }
        // The JVM itself allocates now and then while it compiles.
        assertEquals(0, allocated.min(), "bytes in $FRAMES frames: ${allocated.toList()}")
    }

    private fun noise(width: Int, height: Int, rotation: Int): Frame {
        val random = kotlin.random.Random(1)
        return frameOf(random.nextBytes(width * height * 3), width, height, rotation, 64, true)
    }

    private companion object {
        const val WINDOWS = 8
        const val FRAMES = 100
    }
}
