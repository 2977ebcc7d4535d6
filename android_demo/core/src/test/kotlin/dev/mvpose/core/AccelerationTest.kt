package dev.mvpose.core

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue

private class Case(
    val name: String,
    val accelerator: Accelerator,
    val failure: String?,
    val log: List<String>,
    val verdict: Verdict,
    val operators: Pair<Int, Int>?,
    val reason: String,
)

private fun took(taken: Int, outOf: Int, delegate: String) =
    "I/tflite  (20824): Replacing $taken out of $outOf node(s) with delegate ($delegate) node, " +
        "yielding 1 partitions for subgraph 0 (main)."

private const val COMPILE_FAILED =
    "E/litert  ( 1234): [litert_compiled_model_jni.cc:341] Failed to create compiled model."

private val CASES =
    listOf(
        Case(
            "cpu by xnnpack",
            Accelerator.CPU,
            null,
            listOf(took(412, 412, "TfLiteXNNPackDelegate")),
            Verdict.WHOLE,
            412 to 412,
            "",
        ),
        Case("cpu without a log", Accelerator.CPU, null, listOf(), Verdict.WHOLE, null, ""),
        Case(
            "whole network on the gpu",
            Accelerator.GPU,
            null,
            listOf(took(395, 395, "LITERT_CL")),
            Verdict.WHOLE,
            395 to 395,
            "",
        ),
        Case(
            "part of the network on the gpu",
            Accelerator.GPU,
            null,
            listOf(took(48, 90, "LITERT_CL"), took(32, 43, "TfLiteXNNPackDelegate")),
            Verdict.PART,
            48 to 90,
            "",
        ),
        Case(
            "gpu accepted, cpu used",
            Accelerator.GPU,
            null,
            listOf(took(470, 476, "TfLiteXNNPackDelegate")),
            Verdict.NOTHING,
            null,
            "it took none of the operators",
        ),
        Case("gpu without a log", Accelerator.GPU, null, listOf(), Verdict.UNKNOWN, null, ""),
        Case(
            "gpu refuses an operator",
            Accelerator.GPU,
            "Failed to create compiled model.",
            listOf(
                "E/tflite  ( 1234): Following operations are not supported by GPU delegate:",
                "E/tflite  ( 1234): CUSTOM TFLite_Detection_PostProcess",
                COMPILE_FAILED,
            ),
            Verdict.FAILED,
            null,
            "Following operations are not supported by GPU delegate: " +
                "CUSTOM TFLite_Detection_PostProcess",
        ),
        Case(
            "no gpu library",
            Accelerator.GPU,
            "Failed to create compiled model.",
            listOf(
                "W/litert  ( 1234): [gpu_registry.cc:120] GPU accelerator could not be loaded " +
                    "and registered.",
                COMPILE_FAILED,
            ),
            Verdict.FAILED,
            null,
            "GPU accelerator could not be loaded and registered",
        ),
        Case(
            "npu registered at the second try fails otherwise",
            Accelerator.NPU,
            "Failed to create compiled model.",
            listOf(
                "W/litert  (1): [npu_registry.cc:34] NPU accelerator could not be loaded and " +
                    "registered: kLiteRtStatusErrorInvalidArgument.",
                "I/litert  (1): [npu_registry.cc:30] NPU accelerator registered.",
                COMPILE_FAILED,
            ),
            Verdict.FAILED,
            null,
            "Failed to create compiled model",
        ),
        Case(
            "failure without a log",
            Accelerator.GPU,
            "Failed to run the model.\n\tat somewhere",
            listOf(),
            Verdict.FAILED,
            null,
            "Failed to run the model",
        ),
        Case(
            "failure without a message",
            Accelerator.GPU,
            "",
            listOf(),
            Verdict.FAILED,
            null,
            "it gives no reason",
        ),
        Case(
            "whole network on the npu",
            Accelerator.NPU,
            null,
            listOf(
                "I/litert  (1): [compiler_plugin.cc:741] Partitioned subgraph<0>, " +
                    "selected 1166 ops, from a total of 1166 ops. resulted in 1 partitions.",
                took(1, 1, "DispatchDelegate"),
            ),
            Verdict.WHOLE,
            1166 to 1166,
            "",
        ),
        Case(
            "npu leaves an operator to the cpu",
            Accelerator.NPU,
            null,
            listOf(
                "I/litert  (1): [compiler_plugin.cc:741] Partitioned subgraph<0>, " +
                    "selected 3911 ops, from a total of 3912 ops. resulted in 2 partitions.",
                took(2, 3, "DispatchDelegate"),
            ),
            Verdict.PART,
            3911 to 3912,
            "",
        ),
        Case(
            "npu takes its node whole and the compiler left an operator out",
            Accelerator.NPU,
            null,
            listOf(
                "I/litert  (1): [compiler_plugin.cc:741] Partitioned subgraph<0>, " +
                    "selected 3911 ops, from a total of 3912 ops. resulted in 1 partitions.",
                took(1, 1, "DispatchDelegate"),
            ),
            Verdict.PART,
            3911 to 3912,
            "",
        ),
        Case(
            "npu silently on the cpu",
            Accelerator.NPU,
            null,
            listOf(
                "W/litert  (1): [npu_registry.cc:41] NPU accelerator could not be loaded and " +
                    "registered: kLiteRtStatusErrorInvalidArgument.",
                took(470, 476, "TfLiteXNNPackDelegate"),
            ),
            Verdict.NOTHING,
            null,
            "NPU accelerator could not be loaded and registered: " +
                "kLiteRtStatusErrorInvalidArgument",
        ),
    )

class AccelerationTest {
    @Test
    fun `the log says what runs where`() {
        for (case in CASES) {
            val attempt = Attempt(case.accelerator, case.failure, case.log)
            assertEquals(case.verdict, attempt.verdict, case.name)
            assertEquals(case.operators, attempt.operators, case.name)
            assertEquals(case.reason, attempt.reason, case.name)
        }
    }

    @Test
    fun `a silent fall-back is not usable`() {
        val log = listOf(took(470, 476, "TfLiteXNNPackDelegate"))
        assertFalse(Attempt(Accelerator.NPU, null, log).usable)
        assertTrue(Attempt(Accelerator.CPU, null, log).usable)
    }

    @Test
    fun `only what was logged after the mark counts`() {
        val old = took(395, 395, "LITERT_CL")
        val new = took(470, 476, "TfLiteXNNPackDelegate")
        val mark = "I/mvpose  ( 1234): trial 7"
        assertEquals(listOf(new), listOf(old, mark, old, mark, new).after("trial 7"))
        assertEquals(listOf(), listOf(old, mark).after("trial 7"))
        assertEquals(listOf(), listOf(old, mark).after("trial 8"))
    }

    @Test
    fun `a long reason is cut`() {
        val attempt = Attempt(Accelerator.GPU, "x".repeat(1000), listOf())
        assertEquals(161, attempt.reason.length)
    }

    @Test
    fun `the screen names what runs and why`() {
        val cpu = Attempt(Accelerator.CPU, null, listOf(took(410, 412, "TfLiteXNNPackDelegate")))
        val gpu = Attempt(Accelerator.GPU, null, listOf(took(395, 395, "LITERT_CL")))
        val part = Attempt(Accelerator.GPU, null, listOf(took(48, 90, "LITERT_CL")))
        val silent = Attempt(Accelerator.GPU, null, listOf())
        val refused = Attempt(Accelerator.NPU, "no NPU", listOf())
        val broken = Attempt(Accelerator.CPU, "bad file", listOf())
        val lines =
            mapOf(
                AccelerationReport(cpu, cpu) to "CPU runs, 410 of 412 operators by XNNPACK",
                AccelerationReport(gpu, gpu) to "GPU runs the whole network (395 operators)",
                AccelerationReport(part, part) to
                    "GPU runs 48 of 90 operators, the CPU the rest. " +
                    "Compare with the CPU alone in the benchmark",
                AccelerationReport(silent, silent) to
                    "GPU was accepted, but the run-time does not say whether it is used. " +
                    "Compare with the CPU in the benchmark",
                AccelerationReport(refused, cpu) to
                    "CPU runs, NPU does not: no NPU. README: what an NPU needs",
                AccelerationReport(broken, null) to
                    "CPU does not run: bad file. Choose another model",
            )
        for ((report, line) in lines) assertEquals(line, report.line)
    }

    @Test
    fun `a result file tells a fall-back`() {
        val refused = Attempt(Accelerator.GPU, "no GPU", listOf())
        val cpu = Attempt(Accelerator.CPU, null, listOf(took(412, 412, "TfLiteXNNPackDelegate")))
        val facts = AccelerationReport(refused, cpu).facts()
        assertEquals("gpu", facts["accelerator_asked"])
        assertEquals("cpu", facts["accelerator"])
        assertEquals("no GPU", facts["accelerator_refused_because"])
        assertEquals(412, facts["operators"])
    }

    @Test
    fun `a result file tells what part was accelerated`() {
        val part = Attempt(Accelerator.GPU, null, listOf(took(48, 90, "LITERT_CL")))
        val expected =
            mapOf(
                "accelerator_asked" to "gpu",
                "accelerator" to "gpu",
                "accelerator_verdict" to "part",
                "operators_accelerated" to 48,
                "operators" to 90,
            )
        assertEquals<Map<String, Any>>(expected, AccelerationReport(part, part).facts())
    }
}
