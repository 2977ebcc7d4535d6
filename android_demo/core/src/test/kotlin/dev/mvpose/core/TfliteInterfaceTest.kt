package dev.mvpose.core

import java.nio.ByteBuffer
import java.util.Base64
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

/** Input "image" float 1x4x4x3; outputs "scores" int8 1x5 and "boxes" float 1x5x4; no signature. */
private const val PLAIN =
    "CAAAAFRGTDPG////FAAAACAAAAAkAAAAGAEAAAMAAAABAAAACAAAAAQABAAEAAAAAAAAAAAAAAABAAAAFAAA" +
        "AAAADgAYABQAEAAMAAgABAAOAAAAFAAAABwAAAAcAAAAJAAAACgAAAAEAAAAbWFpbgAAAAAAAAAAAgAAAAIA" +
        "AAABAAAAAQAAAAAAAAADAAAAdAAAADwAAAAQAAAADAAQAAwACwAAAAQADAAAAAwAAAAAAAAJEAAAAAYAAABz" +
        "Y29yZXMAAAIAAAABAAAABQAAANj///8IAAAAEAAAAAUAAABib3hlcwAAAAMAAAABAAAABQAAAAQAAAAMAAwA" +
        "CAAAAAAABAAMAAAACAAAABAAAAAFAAAAaW1hZ2UAAAAEAAAAAQAAAAQAAAAEAAAAAwAAAAAAAAA="

/** The same with a signature that names the boxes first. */
private const val SIGNED =
    "HAAAAFRGTDMUABwAGAAUABAADAAIAAAAAAAEABQAAAAYAAAAqAAAALQAAAC4AAAArAEAAAMAAAABAAAAEAAA" +
        "AAAACgAQAAwACAAEAAoAAAAMAAAAHAAAAFQAAAAPAAAAc2VydmluZ19kZWZhdWx0AAIAAAAkAAAABAAAAOz/" +
        "//8CAAAABAAAAAEAAABiAAAACAAMAAgABAAIAAAAAQAAAAQAAAABAAAAYQAAAAEAAAAMAAAAAAAGAAgABAAG" +
        "AAAABAAAAAEAAAB4AAAAAQAAAAgAAAAEAAQABAAAAAAAAAAAAAAAAQAAABQAAAAAAA4AGAAUABAADAAIAAQA" +
        "DgAAABQAAAAcAAAAHAAAACQAAAAoAAAABAAAAG1haW4AAAAAAAAAAAIAAAACAAAAAQAAAAEAAAAAAAAAAwAA" +
        "AHQAAAA8AAAAEAAAAAwAEAAMAAsAAAAEAAwAAAAMAAAAAAAACRAAAAAGAAAAc2NvcmVzAAACAAAAAQAAAAUA" +
        "AADY////CAAAABAAAAAFAAAAYm94ZXMAAAADAAAAAQAAAAUAAAAEAAAADAAMAAgAAAAAAAQADAAAAAgAAAAQ" +
        "AAAABQAAAGltYWdlAAAABAAAAAEAAAAEAAAABAAAAAMAAAAAAAAA"

/** A model table with no fields at byte 12, its directory of fields at byte 8. */
private val NO_GRAPH =
    byteArrayOf(12, 0, 0, 0, 'T'.code.toByte(), 'F'.code.toByte(), 'L'.code.toByte()) +
        byteArrayOf('3'.code.toByte(), 4, 0, 4, 0, 4, 0, 0, 0)

private fun bytes(text: String): ByteArray = Base64.getDecoder().decode(text)

class TfliteInterfaceTest {
    @Test
    fun `names, shapes and types come from the graph`() {
        for (file in listOf(PLAIN, SIGNED)) {
            val found = TfliteInterface.read(ByteBuffer.wrap(bytes(file)))
            assertEquals(listOf("image"), found.inputs.map { it.name })
            assertContentEquals(intArrayOf(1, 4, 4, 3), found.inputs[0].shape)
            assertEquals(listOf("scores", "boxes"), found.outputs.map { it.name })
            assertContentEquals(intArrayOf(1, 5, 4), found.outputs[1].shape)
            assertEquals(
                listOf(ElementType.INT8, ElementType.FLOAT32),
                found.outputs.map { it.dtype },
            )
        }
    }

    @Test
    fun `buffers have the order of the signature where there is one`() {
        val places = { file: String ->
            TfliteInterface.read(ByteBuffer.wrap(bytes(file))).outputs.map { it.place }
        }
        assertEquals(listOf(0, 1), places(PLAIN))
        assertEquals(listOf(1, 0), places(SIGNED))
    }

    @Test
    fun `the description of another file is refused in one line`() {
        val file = TfliteInterface.read(ByteBuffer.wrap(bytes(PLAIN)))
        val problem = assertFailsWith<UnusableModel> { file.check(describe()) }
        assertEquals(UnusableModel.Reason.SHAPES, problem.reason)
        assertContains(problem.message!!, "takes FLOAT32 1x4x4x3")
        assertEquals(1, problem.message!!.lines().size)
    }

    @Test
    fun `a damaged file gives one line`() {
        val file = bytes(SIGNED)
        val cases =
            mapOf(
                "empty" to ByteArray(0),
                "another format" to "PK is how a zip begins".toByteArray(),
                "cut off" to file.copyOf(100),
                "no graph" to NO_GRAPH,
                "wild offset" to file.copyOf().also { it[2] = 0x7f },
            )
        for ((name, content) in cases) {
            val problem =
                assertFailsWith<UnusableModel>(name) {
                    TfliteInterface.read(ByteBuffer.wrap(content))
                }
            assertEquals(UnusableModel.Reason.FORMAT, problem.reason, name)
            assertEquals(1, problem.message!!.lines().size, name)
        }
    }
}
