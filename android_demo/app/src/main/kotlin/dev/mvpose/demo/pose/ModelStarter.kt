package dev.mvpose.demo.pose

import android.content.Context
import dev.mvpose.core.AccelerationReport
import dev.mvpose.core.Accelerator
import dev.mvpose.core.Attempt
import dev.mvpose.core.ModelDescription
import dev.mvpose.demo.line
import dev.mvpose.demo.model.ModelEntry
import dev.mvpose.demo.runtime.Trial
import dev.mvpose.demo.runtime.TrialMarker
import dev.mvpose.demo.runtime.tryAccelerator

/** Starts models: the accelerator that was asked for alone, then the CPU, and says which it is. */
internal class ModelStarter(private val context: Context, private val marker: TrialMarker) {
    /** @property runner null: the model runs nowhere, and [report] says why */
    class Started(val entry: ModelEntry, val runner: PoseRunner?, val report: AccelerationReport)

    fun start(entry: ModelEntry, asked: Accelerator): Started {
        val description = checkNotNull(entry.description) { "an unusable model was chosen" }
        val io = NetworkIo(description)
        val first = attempt(entry, asked, io)
        val done = first.network != null || asked == Accelerator.CPU
        val last = if (done) first else attempt(entry, Accelerator.CPU, io)
        return started(entry, description, first.attempt, last, io)
    }

    /** After [broken] failed while running. */
    fun startInstead(broken: PoseRunner, failure: Exception): Started {
        val reason = "it failed while running: ${failure.line}"
        val asked = Attempt(broken.accelerator, reason, emptyList())
        if (asked.accelerator == Accelerator.CPU) {
            return Started(broken.entry, null, AccelerationReport(asked, null))
        }
        val io = NetworkIo(broken.description)
        val trial = attempt(broken.entry, Accelerator.CPU, io)
        return started(broken.entry, broken.description, asked, trial, io)
    }

    private fun attempt(entry: ModelEntry, accelerator: Accelerator, io: NetworkIo): Trial {
        marker.begin(entry.path, accelerator)
        return try {
            tryAccelerator(context, entry.path, accelerator) { io.run(it) }
        } finally {
            marker.end()
        }
    }

    private fun started(
        entry: ModelEntry,
        description: ModelDescription,
        asked: Attempt,
        trial: Trial,
        io: NetworkIo,
    ): Started {
        val network = trial.network
        val report = AccelerationReport(asked, trial.attempt.takeIf { network != null })
        val runner = network?.let { PoseRunner(entry, description, trial, report, it, io) }
        return Started(entry, runner, report)
    }
}
