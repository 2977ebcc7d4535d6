package dev.mvpose.demo.runtime

import android.content.Context
import android.os.SystemClock
import android.util.Log
import dev.mvpose.core.Accelerator
import dev.mvpose.core.Attempt
import dev.mvpose.demo.line

/**
 * What came of trying one accelerator alone.
 *
 * @property network null: it is not used
 * @property startMs from the file to a network that can run
 * @property firstRunMs of the first run
 */
class Trial(
    val attempt: Attempt,
    val network: LiteRtNetwork?,
    val startMs: Double,
    val firstRunMs: Double,
)

/**
 * Start the network of an asset on [accelerator] alone and run it once by [firstRun].
 *
 * Native code of many makers runs here: whatever it throws becomes the attempt's reason.
 */
internal fun tryAccelerator(
    context: Context,
    path: String,
    accelerator: Accelerator,
    firstRun: (LiteRtNetwork) -> Unit,
): Trial {
    val log = RuntimeLog()
    val begin = SystemClock.elapsedRealtimeNanos()
    var started = begin
    var network: LiteRtNetwork? = null
    val failure =
        try {
            network = LiteRtNetwork.open(context, path, accelerator)
            started = SystemClock.elapsedRealtimeNanos()
            firstRun(network)
            null
        } catch (problem: Exception) {
            said(accelerator, problem)
        } catch (problem: LinkageError) {
            said(accelerator, problem)
        }
    val end = SystemClock.elapsedRealtimeNanos()
    val attempt = Attempt(accelerator, failure, log.lines())
    if (!attempt.usable) {
        network?.close()
        network = null
    }
    return Trial(attempt, network, (started - begin) / NS_PER_MS, (end - started) / NS_PER_MS)
}

internal const val NS_PER_MS = 1e6

private fun said(accelerator: Accelerator, problem: Throwable): String {
    Log.w(RuntimeLog.TAG, "$accelerator", problem)
    return problem.line
}
