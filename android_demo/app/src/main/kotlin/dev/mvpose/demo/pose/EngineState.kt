package dev.mvpose.demo.pose

import dev.mvpose.core.AccelerationReport
import dev.mvpose.core.Accelerator
import dev.mvpose.demo.model.ModelEntry

/**
 * What the engine is doing, for the screen.
 *
 * @property entry the model that was chosen; null: none
 * @property asked the accelerator that was chosen; null: none
 */
sealed class EngineState(val entry: ModelEntry?, val asked: Accelerator?) {
    /** Nothing runs; [message] says why and what to do. */
    class Idle(val message: String, entry: ModelEntry? = null, asked: Accelerator? = null) :
        EngineState(entry, asked)

    class Starting(entry: ModelEntry, asked: Accelerator) : EngineState(entry, asked)

    /**
     * @property report which accelerator runs, and why
     * @property notes lines that matter besides
     */
    class Running(entry: ModelEntry, val report: AccelerationReport, val notes: List<String>) :
        EngineState(entry, report.asked.accelerator)
}
