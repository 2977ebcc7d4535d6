package dev.mvpose.core

/**
 * Which accelerator runs, and why not the one that was asked for.
 *
 * @property asked the attempt with what the user chose
 * @property running the attempt whose network runs; null: none does
 */
class AccelerationReport(val asked: Attempt, val running: Attempt?) {
    /** Whether something else runs than was chosen. */
    val fellBack: Boolean
        get() = running == null || running.accelerator != asked.accelerator

    /** One line for the screen. */
    val line: String =
        when {
            running == null -> "${asked.accelerator} does not run: ${asked.reason}. $OTHER_MODEL"
            fellBack -> "${running.accelerator} runs, ${refusal()}"
            else -> runs(running)
        }

    /** The same for a result file. */
    fun facts(): Map<String, Any> =
        buildMap {
            put("accelerator_asked", asked.accelerator.name.lowercase())
            put("accelerator", running?.accelerator?.name?.lowercase() ?: "none")
            put("accelerator_verdict", (running ?: asked).verdict.name.lowercase())
            running?.operators?.let { (taken, outOf) ->
                put("operators_accelerated", taken)
                put("operators", outOf)
            }
            if (fellBack) put("accelerator_refused_because", asked.reason)
        }

    private fun refusal(): String {
        val name = asked.accelerator
        val advice = if (name == Accelerator.GPU) OTHER_FILE else NPU_NEEDS
        return "$name does not: ${asked.reason}. $advice"
    }

    private fun runs(attempt: Attempt): String {
        val name = attempt.accelerator
        if (attempt.verdict == Verdict.UNKNOWN) return "$name $UNTOLD"
        val (taken, outOf) = attempt.operators ?: return "$name runs"
        return when {
            name == Accelerator.CPU && taken == outOf -> "CPU runs, all $outOf operators by XNNPACK"
            name == Accelerator.CPU -> "CPU runs, $taken of $outOf operators by XNNPACK"
            taken == outOf -> "$name runs the whole network ($outOf operators)"
            else -> "$name runs $taken of $outOf operators, $REST_ON_CPU"
        }
    }

    private companion object {
        const val OTHER_MODEL = "Choose another model"
        const val OTHER_FILE = "An fp16 or fp32 file may suit this GPU better"
        const val NPU_NEEDS = "README: what an NPU needs"
        const val REST_ON_CPU = "the CPU the rest. Compare with the CPU alone in the benchmark"
        const val UNTOLD =
            "was accepted, but the run-time does not say whether it is used. " +
                "Compare with the CPU in the benchmark"
    }
}
