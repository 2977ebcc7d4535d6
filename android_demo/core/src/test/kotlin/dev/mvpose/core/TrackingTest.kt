package dev.mvpose.core

import org.json.JSONObject
import kotlin.math.max
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue

class TrackingTest {
    @Test
    fun `sequences are Python's`() =
        Golden.forEachCase("track.json", "sequences") { sequence ->
            val (width, height) = sequence.getJSONArray("image_wh").ints()
            val frames = sequence.getJSONArray("frames").objects()
            val keypoints = frames[0].getJSONArray("keypoints_px").length()
            val tracker = PersonTracker()
            val smoother = PoseSmoother(keypoints, sequence.getDouble("score_floor"))
            val smoothed = Pose(keypoints)
            for ((i, frame) in frames.withIndex()) {
                frame.optJSONArray("chosen_xywh_px")?.let { tracker.choose(it.toBox()) }
                val box = tracker.boxFor(width, height)
                assertNear(frame.getJSONArray("box_xywh_px").toBox(), box, TOLERANCE, "box $i")
                val pose = pose(frame)
                if (!tracker.tracked) smoother.reset()
                tracker.update(pose)
                val length = max(box.width, box.height)
                smoother.smooth(pose, frame.getDouble("time_s"), length, smoothed)
                assertNear(frame.getJSONArray("smoothed_px").rows(), smoothed, TOLERANCE)
            }
        }

    @Test
    fun `constants are Python's`() {
        val golden = Golden.document("track.json").getJSONObject("constants")
        val ours =
            mapOf(
                "confident" to PersonTracker.CONFIDENT,
                "fewest_confident" to PersonTracker.FEWEST_CONFIDENT.toDouble(),
                "narrowest" to PersonTracker.NARROWEST,
                "pose_padding" to PersonTracker.PADDING,
                "smallest_px" to PersonTracker.SMALLEST_PX,
                "longest_gap_s" to PoseSmoother.LONGEST_GAP_S,
                "min_cutoff_hz" to PoseSmoother.MIN_CUTOFF_HZ,
                "beta" to PoseSmoother.BETA,
                "speed_cutoff_hz" to PoseSmoother.SPEED_CUTOFF_HZ,
            )
        assertEquals(golden.keys().asSequence().associateWith { golden.getDouble(it) }, ours)
    }

    @Test
    fun `a box that can't be looked in means the whole picture`() {
        val cases =
            mapOf(
                "no area" to Box(10.0, 10.0, 0.0, 20.0),
                "left of the picture" to Box(-30.0, 10.0, 20.0, 20.0),
                "below the picture" to Box(10.0, 90.0, 20.0, 20.0),
                "no numbers" to Box(10.0, 10.0, Double.NaN, 20.0),
            )
        for ((name, box) in cases) {
            val tracker = PersonTracker()
            tracker.choose(box)
            assertNear(Box(0.0, 0.0, 120.0, 90.0), tracker.boxFor(120, 90), 0.0, name)
            assertFalse(tracker.tracked, name)
            assertTrue(tracker.lost, name)
        }
    }

    @Test
    fun `a picture of another size is looked at whole`() {
        val sequence = Golden.document("track.json").getJSONArray("sequences").getJSONObject(0)
        val (width, height) = sequence.getJSONArray("image_wh").ints()
        val tracker = PersonTracker()
        tracker.boxFor(width, height)
        tracker.update(pose(sequence.getJSONArray("frames").getJSONObject(0)))
        val whole = Box(0.0, 0.0, height.toDouble(), width.toDouble())
        assertNear(whole, tracker.boxFor(height, width), 0.0, "turned")
        assertFalse(tracker.tracked)
    }

    private fun pose(frame: JSONObject): Pose {
        val points = frame.getJSONArray("keypoints_px").rows()
        val scores = frame.getJSONArray("scores").numbers()
        return Pose(points.size).apply {
            for ((k, point) in points.withIndex()) {
                x[k] = point[0]
                y[k] = point[1]
                this.scores[k] = scores[k]
            }
        }
    }

    private companion object {
        const val TOLERANCE = 1e-9
    }
}
