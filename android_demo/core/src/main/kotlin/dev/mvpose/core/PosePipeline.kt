package dev.mvpose.core

import kotlin.math.max

/**
 * Frame -> crop, and heatmaps -> pose; the caller runs the network in between. Nothing is allocated
 * per frame; one thread at a time.
 */
class PosePipeline(val description: ModelDescription) {
    /** Where the current frame is looked in. */
    val box: Box get() = tracker.box

    /** Whether the current frame is looked in as a whole, because nobody is followed. */
    val lost: Boolean get() = tracker.lost

    /** Whether poses are smoothed. */
    var smoothing = true

    private val tracker = PersonTracker()
    private val smoother = PoseSmoother(description.keypointCount, description.decode.scoreFloor)
    private val cropper = Cropper(description.inputWidth, description.inputHeight)
    private val decoder = HeatmapDecoder(description)
    private val bufferToUpright = Affine()
    private val uprightToCrop = Affine()
    private val bufferToCrop = Affine()
    private val cropToUpright = Affine()
    private val found = Pose(description.keypointCount)
    private val shown = Pose(description.keypointCount)

    /** Look in [box] at the next frame: one that a user drew or a detector found. */
    fun choose(box: Box) = tracker.choose(box)

    /** Forget the person: another camera, picture or video follows. */
    fun reset() {
        tracker.reset()
        smoother.reset()
    }

    /** Cut the network's input [into] (height, width, 3), RGB 0..255, out of [frame]. */
    fun prepare(frame: Frame, into: FloatArray) {
        val box = tracker.boxFor(frame.uprightWidth, frame.uprightHeight)
        CropGeometry.uprightMatrix(frame, bufferToUpright)
        CropGeometry.cropMatrix(
            box,
            cropper.width,
            cropper.height,
            description.boxPadding,
            uprightToCrop,
        )
        cropToUpright.setInverse(uprightToCrop)
        bufferToCrop.setProduct(uprightToCrop, bufferToUpright)
        cropper.crop(frame, bufferToCrop, into)
    }

    /**
     * Read the pose in the frame prepared last, in pixels of the upright picture.
     *
     * @param heatmaps (height, width, keypoints) in real numbers
     * @param timeNs of the frame, from any clock that runs evenly
     * @return the same object every time
     * @throws DamagedOutput there is no pose in [heatmaps]; the person is forgotten
     */
    fun read(heatmaps: FloatArray, timeNs: Long): Pose {
        try {
            decoder.decode(heatmaps, cropToUpright, found)
        } catch (error: DamagedOutput) {
            reset()
            throw error
        }
        if (!tracker.tracked) smoother.reset()
        tracker.update(found)
        smoother.smooth(found, timeNs / NS_PER_S, max(box.width, box.height), shown)
        return if (smoothing) shown else found
    }

    private companion object {
        const val NS_PER_S = 1e9
    }
}
