package dev.mvpose.demo.pose

import android.content.Context
import dev.mvpose.core.Frame
import dev.mvpose.core.PosePipeline
import dev.mvpose.demo.R
import dev.mvpose.demo.line

/** The detector, if the app has one that works. Only the inference thread touches it. */
internal class DetectorHolder(private val context: Context) {
    /** One line for the screen; null: the app has none. */
    var note: String? = null
        private set

    private var detector: DetectorSlot? = null
    private var asked = false

    /** Start it; nothing where that was tried before. */
    fun open() {
        if (asked) return
        asked = true
        try {
            detector = DetectorSlot.open(context)
            note = detector?.let { context.getString(R.string.detector, it.name) }
        } catch (unusable: Exception) {
            note = context.getString(R.string.detector_unusable, unusable.line)
        }
    }

    /** Take from [frame], in which nobody is followed, what is needed. */
    fun look(frame: Frame) {
        detector?.look(frame)
    }

    /**
     * Where a frame was looked at, look at the next one where the detector sees a person.
     *
     * @return whether [note] has changed: the detector broke down
     */
    fun find(pipeline: PosePipeline): Boolean {
        val searching = detector?.takeIf { it.looked } ?: return false
        return try {
            searching.find()?.let(pipeline::choose)
            false
        } catch (failure: Exception) {
            // Whatever native code throws, poses go on without the detector.
            searching.close()
            detector = null
            note = context.getString(R.string.detector_unusable, failure.line)
            true
        }
    }
}
