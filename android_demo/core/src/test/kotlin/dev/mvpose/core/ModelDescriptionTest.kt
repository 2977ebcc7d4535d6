package dev.mvpose.core

import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse

class ModelDescriptionTest {
    @Test
    fun `files are usable, or refused with Python's reason in one line`() =
        Golden.forEachCase("metadata.json") { case ->
            val text = case.getString("document")
            if (case.getBoolean("usable")) {
                ModelDescription.parse(text)
            } else {
                val error = assertFailsWith<UnusableModel> { ModelDescription.parse(text) }
                assertEquals(case.getString("reason"), error.reason.name.lowercase())
                assertFalse('\n' in error.message!!)
            }
        }

    @Test
    fun `every constant comes from the description`() {
        val document = exportedDescription()
        val model = ModelDescription.parse(document.toString())
        val preprocess = document.getJSONObject("model").getJSONObject("preprocess")
        assertEquals(document.getJSONObject("model").getString("name"), model.name)
        assertEquals(document.getString("recipe"), model.recipe)
        assertEquals(document.getString("weights_sha256"), model.weightsSha256)
        assertEquals(preprocess.getInt("input_width_px"), model.inputWidth)
        assertEquals(preprocess.getInt("input_height_px"), model.inputHeight)
        assertEquals(preprocess.getDouble("box_padding"), model.boxPadding)
        val output =
            document
                .getJSONObject("output")
                .getJSONArray("shape")
                .ints()
                .toList()
        val described = listOf(1, model.heatmapHeight, model.heatmapWidth, model.keypointCount)
        assertEquals(output, described)
        assertEquals(listOf(15, 13), model.skeleton.edges[0].toList())
        assertEquals("nose", model.skeleton.keypoints[0])
    }

    @Test
    fun `heatmaps of one cell hold no pose`() {
        val error =
            assertFailsWith<UnusableModel> { describe(heatmapShape = intArrayOf(64, 1, 17)) }
        assertEquals(UnusableModel.Reason.SHAPES, error.reason)
    }

    @Test
    fun `lengths that are not positive are refused`() {
        for ((section, field) in listOf("preprocess" to "box_padding", "decode" to "sigma_cells")) {
            for (value in listOf(0.0, -1.0)) {
                val document = exportedDescription()
                document.getJSONObject("model").getJSONObject(section).put(field, value)
                val error =
                    assertFailsWith<UnusableModel>("$field $value") {
                        ModelDescription.parse(document.toString())
                    }
                assertContains(error.message!!, "$field is $value")
            }
        }
    }

    @Test
    fun `quantised tensors need a scale`() {
        val document = exportedDescription()
        document.getJSONObject("input").put("dtype", "int8").put("scale", 0.0)
        val error = assertFailsWith<UnusableModel> { ModelDescription.parse(document.toString()) }
        assertEquals(UnusableModel.Reason.NOT_A_DESCRIPTION, error.reason)
    }
}
