package dev.mvpose.demo.pose

import android.content.Context
import android.os.Handler
import android.os.Looper
import android.os.SystemClock
import dev.mvpose.core.Accelerator
import dev.mvpose.core.Box
import dev.mvpose.core.DamagedOutput
import dev.mvpose.core.Frame
import dev.mvpose.demo.R
import dev.mvpose.demo.model.ModelEntry
import dev.mvpose.demo.model.modelCatalogue
import dev.mvpose.demo.runtime.TrialMarker
import java.util.concurrent.Executor
import java.util.concurrent.Executors

/**
 * Runs one model at a time, on a thread of its own, for whichever screen is in front.
 *
 * Whoever gives frames does so by running on [executor], which makes a queue of length one: CameraX
 * drops what comes while it is busy.
 */
class PoseEngine(private val context: Context) {
    /** The inference thread; nothing else touches a network. */
    val executor: Executor = Executors.newSingleThreadExecutor { Thread(it, "inference") }

    val board = PoseBoard()

    /** Unusable ones are among them. */
    val models: List<ModelEntry> by lazy { modelCatalogue(context) }

    /** Of the main thread. */
    var state: EngineState = EngineState.Idle("")
        private set

    /** The screen in front; null: none. */
    @Volatile
    var listener: EngineListener? = null

    private val main = Handler(Looper.getMainLooper())
    private val marker = TrialMarker(context)
    private val choice = LastChoice(context)
    private val starter = ModelStarter(context, marker)
    private var runner: PoseRunner? = null
    private val detectors = DetectorHolder(context)
    private var timesToldNs = 0L
    private var begun = false

    /** How often something was chosen to run: only the newest choice is started and shown. */
    @Volatile
    private var choices = 0

    /** The choice that the inference thread has come to. */
    private var reached = 0

    /** Why something else runs than was chosen last; until the user chooses again. */
    private var startNote: String? = null

    private var told: String? = null

    /** Start what ran last, or the first usable model; once: what failed is left to the user. */
    fun start() {
        if (begun) return
        begun = true
        val usable = models.filter { it.problem == null }
        val entry = usable.firstOrNull { it.name == choice.model } ?: usable.firstOrNull()
        when {
            models.isEmpty() -> show(EngineState.Idle(context.getString(R.string.no_models)))
            entry == null -> show(EngineState.Idle(models.first().problem.orEmpty()))
            else -> startAgain(entry)
        }
    }

    /** Run another model or accelerator. */
    fun use(entry: ModelEntry, accelerator: Accelerator) = use(entry, accelerator, null)

    /** Follow the person in [box]. */
    fun choose(box: Box) = withRunner { it?.pipeline?.choose(box) }

    /** Look at the whole picture again: another source of frames follows, or the user wants so. */
    fun forget() {
        tell(null)
        board.clear()
        withRunner {
            // The frame that was being looked at meanwhile is of the old source.
            board.clear()
            it?.reset()
        }
    }

    /** Do something on the inference thread; null: no model runs. */
    internal fun withRunner(work: (PoseRunner?) -> Unit) = executor.execute { work(runner) }

    /**
     * Take from [frame] what is needed; it can be given back then. On the inference thread.
     *
     * @return false: there is nothing to [find]
     */
    fun look(frame: Frame, mirror: Boolean): Boolean {
        val runner = runner ?: return false
        runner.look(frame, mirror)
        if (runner.pipeline.lost) detectors.look(frame)
        return true
    }

    /** Find the pose in the frame looked at last, and show it. On the inference thread. */
    fun find(timeNs: Long) {
        val runner = runner ?: return
        try {
            runner.find(timeNs)
            tell(null)
        } catch (damaged: DamagedOutput) {
            board.clear()
            tell(damaged.message)
            listener?.onPose()
            return
        } catch (failure: Exception) {
            // The accelerator broke down: whatever its native code throws, the CPU takes over.
            failed(runner, failure)
            return
        }
        if (detectors.find(runner.pipeline)) showRunning(runner)
        board.publish(runner.sheet)
        listener?.onPose()
        tellTimes(runner)
    }

    /** Tell the screen what went wrong, or that it is over. On any thread. */
    @Synchronized
    fun tell(line: String?) {
        if (line == told) return
        told = line
        main.post { listener?.onTrouble(line) }
    }

    private fun startAgain(entry: ModelEntry) {
        val crashed = marker.crashed(entry.path) ?: return use(entry, choice.accelerator)
        val line = context.getString(R.string.crashed, crashed, entry.name)
        if (crashed == Accelerator.CPU) return show(EngineState.Idle(line, entry, crashed))
        use(entry, Accelerator.CPU, line)
    }

    private fun use(entry: ModelEntry, accelerator: Accelerator, note: String?) {
        choice.remember(entry.name, accelerator)
        show(EngineState.Starting(entry, accelerator))
        val number = ++choices
        executor.execute {
            if (number == choices) replace(entry, accelerator, note, number)
        }
    }

    private fun replace(entry: ModelEntry, accelerator: Accelerator, note: String?, number: Int) {
        runner?.close()
        runner = null
        reached = number
        startNote = note
        board.clear()
        detectors.open()
        finish(starter.start(entry, accelerator))
    }

    private fun failed(broken: PoseRunner, failure: Exception) {
        broken.close()
        runner = null
        board.clear()
        finish(starter.startInstead(broken, failure))
    }

    private fun finish(started: ModelStarter.Started) {
        val ready = started.runner
        runner = ready
        if (ready == null) {
            val report = started.report
            showNext(EngineState.Idle(report.line, started.entry, report.asked.accelerator))
        } else {
            showRunning(ready)
        }
    }

    private fun showRunning(runner: PoseRunner) {
        val notes = listOfNotNull(startNote, detectors.note)
        showNext(EngineState.Running(runner.entry, runner.report, notes))
    }

    private fun showNext(next: EngineState) {
        val number = reached
        main.post { if (number == choices) show(next) }
    }

    private fun tellTimes(runner: PoseRunner) {
        val now = SystemClock.elapsedRealtimeNanos()
        if (now - timesToldNs < TIMES_EVERY_NS) return
        timesToldNs = now
        val times = runner.times()
        main.post { listener?.onTimes(times) }
    }

    private fun show(next: EngineState) {
        state = next
        listener?.onState(next)
    }

    private companion object {
        const val TIMES_EVERY_NS = 250_000_000L
    }
}
