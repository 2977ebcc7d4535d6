package dev.mvpose.core

/** What a network can run on. */
enum class Accelerator { CPU, GPU, NPU }

/**
 * Operators of the graph that a part of the run-time took over.
 *
 * @property name of the delegate
 * @property taken operators
 * @property outOf operators there were when it was its turn
 */
private class Delegation(val name: String, val taken: Int, val outOf: Int) {
    val accelerator: Accelerator
        get() =
            when {
                name.contains("xnnpack", ignoreCase = true) -> Accelerator.CPU
                name.contains("dispatch", ignoreCase = true) -> Accelerator.NPU
                else -> Accelerator.GPU
            }
}

/** What became of an accelerator that was tried. */
enum class Verdict {
    /** It runs the whole network. */
    WHOLE,

    /** It runs a part, the CPU the rest. */
    PART,

    /** It was accepted without a word, and the CPU runs everything. */
    NOTHING,

    /** The run-time does not say what runs where. */
    UNKNOWN,

    /** It could not be started, or failed while running. */
    FAILED,
}

/**
 * One accelerator, tried alone.
 *
 * LiteRT's Kotlin API does not say what runs where: it adds the CPU to an NPU by itself, and goes
 * on without a word where no NPU answers (google-ai-edge/LiteRT, issue 7891). Its log does.
 *
 * @property accelerator that was asked for
 * @param failure the message of the exception that starting or running it threw; null: none
 * @param log what the run-time wrote meanwhile, as `logcat -v brief` prints it
 */
class Attempt(val accelerator: Accelerator, failure: String?, log: List<String>) {
    private val delegations =
        log.mapNotNull(::delegationOf).filter { it.accelerator == accelerator }

    /** Operators that the accelerator runs, and operators there are; null where it is not told. */
    val operators: Pair<Int, Int>? = operatorsOf(log)

    val verdict: Verdict =
        when {
            failure != null -> Verdict.FAILED
            accelerator == Accelerator.CPU -> Verdict.WHOLE
            log.none { DELEGATION.containsMatchIn(it) } -> Verdict.UNKNOWN
            delegations.sumOf { it.taken } == 0 -> Verdict.NOTHING
            delegations.all { it.taken == it.outOf } && operators.isWhole() -> Verdict.WHOLE
            else -> Verdict.PART
        }

    /** Why it does not run, in the run-time's words; empty where it does. */
    val reason: String =
        when (verdict) {
            Verdict.FAILED -> reasonIn(log) ?: firstLine(failure.orEmpty())
            Verdict.NOTHING -> reasonIn(log) ?: "it took none of the operators"
            else -> ""
        }

    /** Whether what was asked for does run, as far as can be known. */
    val usable: Boolean
        get() = verdict != Verdict.FAILED && verdict != Verdict.NOTHING

    private fun reasonIn(log: List<String>): String? {
        // LiteRT tries more than once to register an accelerator: only the end counts.
        log
            .lastOrNull { it.contains("$accelerator accelerator") && it.contains("registered") }
            ?.takeIf { it.contains("could not be") }
            ?.let { return firstLine(messageOf(it)) }
        val errors = log.filter { it.startsWith("E/") }.map(::messageOf)
        val first = errors.firstOrNull() ?: return null
        val more = if (first.endsWith(":")) errors.getOrNull(1) else null
        return firstLine(listOfNotNull(first, more).joinToString(" "))
    }

    /** A compiler for an NPU packs many operators into one node, and says how many beforehand. */
    private fun operatorsOf(log: List<String>): Pair<Int, Int>? {
        if (delegations.isEmpty()) return null
        val packed = log.mapNotNull { PARTITION.find(it) }
        if (accelerator == Accelerator.NPU && packed.isNotEmpty()) {
            return packed.sumOf { it.groupValues[1].toInt() } to
                packed.sumOf { it.groupValues[2].toInt() }
        }
        return delegations.sumOf { it.taken } to delegations.sumOf { it.outOf }
    }
}

/**
 * The lines of a log after the last one that holds [mark]; none where it is not there: what is there
 * then may be of an earlier attempt.
 */
fun List<String>.after(mark: String): List<String> {
    val found = indexOfLast { it.contains(mark) }
    return if (found < 0) emptyList() else drop(found + 1)
}

private const val LONGEST_REASON = 160
private val DELEGATION =
    Regex("""Replacing (\d+) out of (\d+) node\(s\) with delegate \(([^)]*)\)""")
private val PARTITION =
    Regex("""Partitioned subgraph<\d+>, selected (\d+) ops, from a total of (\d+) ops""")
private val PREFIX = Regex("""^[A-Z]/[^(:]*(\(\s*\d+\))?:\s*(\[[^]]*]\s*)?""")

private fun delegationOf(line: String): Delegation? {
    val found = DELEGATION.find(line) ?: return null
    val (taken, outOf, name) = found.destructured
    return Delegation(name, taken.toInt(), outOf.toInt())
}

private fun Pair<Int, Int>?.isWhole(): Boolean = this == null || first == second

private fun messageOf(line: String): String = line.replace(PREFIX, "").trim()

/** Without the full stop: the line goes on. */
private fun firstLine(text: String): String {
    val line = text.trim().substringBefore('\n').trimEnd('.')
    if (line.isEmpty()) return "it gives no reason"
    return if (line.length <= LONGEST_REASON) line else line.take(LONGEST_REASON) + "…"
}
