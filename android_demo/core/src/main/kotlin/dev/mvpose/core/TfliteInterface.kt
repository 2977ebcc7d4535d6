package dev.mvpose.core

import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * An input or output of a `.tflite` file.
 *
 * @property name of the tensor
 * @property shape with batch
 * @property dtype null: one that mvpose has no use for
 * @property place among the buffers that the run-time makes for the first signature
 */
class TflitePort(val name: String, val shape: IntArray, val dtype: ElementType?, val place: Int)

/**
 * What a `.tflite` file takes and gives, in the order of its graph.
 *
 * LiteRT's Kotlin API neither lists names nor shapes; they are read from the file, whose form is the
 * TFLite schema, version 3.
 */
class TfliteInterface private constructor(
    val inputs: List<TflitePort>,
    val outputs: List<TflitePort>,
) {
    /** @throws UnusableModel the description beside the file belongs to another one */
    fun check(description: ModelDescription) {
        checkOne("takes", inputs, description.input)
        checkOne("gives", outputs, description.output)
    }

    private fun checkOne(verb: String, found: List<TflitePort>, told: TensorInfo) {
        val port = found.singleOrNull()
        if (port != null && port.shape.contentEquals(told.shape) && port.dtype == told.dtype) return
        val real = found.joinToString { "${it.dtype ?: "another type"} ${sides(it.shape)}" }
        throw UnusableModel(
            UnusableModel.Reason.SHAPES,
            "the file $verb $real, its description says ${told.dtype} ${sides(told.shape)}: copy " +
                "the .tflite and the .tflite.json of one export",
        )
    }

    private fun sides(shape: IntArray) = shape.joinToString("x")

    companion object {
        /** @throws UnusableModel it is no `.tflite` file */
        fun read(file: ByteBuffer): TfliteInterface =
            readOr(::damaged) {
                read(Table.root(file.duplicate().order(ByteOrder.LITTLE_ENDIAN)))
            }

        private fun damaged(problem: Exception) =
            UnusableModel(
                UnusableModel.Reason.FORMAT,
                "the file is no TFLite model, or cut off (${problem.message}): copy it again",
            )

        private fun read(model: Table): TfliteInterface {
            val graph = requireNotNull(model.tables(SUBGRAPHS).firstOrNull()) { "it has no graph" }
            val signature = model.tables(SIGNATURES).firstOrNull { it.int(SIGNATURE_SUBGRAPH) == 0 }
            val tensors = graph.tables(TENSORS)
            return TfliteInterface(
                ports(tensors, graph.ints(GRAPH_INPUTS), signature?.tables(SIGNATURE_INPUTS)),
                ports(tensors, graph.ints(GRAPH_OUTPUTS), signature?.tables(SIGNATURE_OUTPUTS)),
            )
        }

        /** A signature may name the tensors in another order than the graph. */
        private fun ports(tensors: List<Table>, graph: IntArray, signature: List<Table>?) =
            graph.mapIndexed { i, index ->
                val place = signature?.indexOfFirst { it.int(MAP_TENSOR) == index } ?: i
                val tensor = tensors[index]
                val dtype = ELEMENT_TYPES[tensor.byte(TENSOR_TYPE)]
                TflitePort(tensor.text(TENSOR_NAME), tensor.ints(TENSOR_SHAPE), dtype, place)
            }

        private val ELEMENT_TYPES =
            mapOf(0 to ElementType.FLOAT32, 9 to ElementType.INT8)
        private const val SUBGRAPHS = 2
        private const val SIGNATURES = 7
        private const val TENSORS = 0
        private const val GRAPH_INPUTS = 1
        private const val GRAPH_OUTPUTS = 2
        private const val SIGNATURE_INPUTS = 0
        private const val SIGNATURE_OUTPUTS = 1
        private const val SIGNATURE_SUBGRAPH = 4
        private const val MAP_TENSOR = 1
        private const val TENSOR_SHAPE = 0
        private const val TENSOR_TYPE = 1
        private const val TENSOR_NAME = 3
    }
}

/** A FlatBuffers table at byte [at]. A field that is absent is 0 or empty. */
private class Table(private val file: ByteBuffer, private val at: Int) {
    private fun field(number: Int): Int? {
        val directory = at - file.getInt(at)
        val entry = FIRST_FIELD + 2 * number
        if (entry >= file.getShort(directory)) return null
        return file
            .getShort(directory + entry)
            .toInt()
            .takeIf { it != 0 }
            ?.let { at + it }
    }

    private fun target(place: Int): Int = place + file.getInt(place)

    fun int(number: Int): Int = field(number)?.let(file::getInt) ?: 0

    fun byte(number: Int): Int = field(number)?.let { file.get(it).toInt() } ?: 0

    fun ints(number: Int): IntArray {
        val start = field(number)?.let(::target) ?: return IntArray(0)
        return IntArray(length(start)) { file.getInt(start + WORD * (1 + it)) }
    }

    fun tables(number: Int): List<Table> {
        val start = field(number)?.let(::target) ?: return emptyList()
        return List(length(start)) { Table(file, target(start + WORD * (1 + it))) }
    }

    fun text(number: Int): String {
        val start = field(number)?.let(::target) ?: return ""
        return String(ByteArray(length(start)) { file.get(start + WORD + it) }, Charsets.UTF_8)
    }

    private fun length(start: Int): Int {
        val length = file.getInt(start)
        require(length in 0..file.limit()) { "a list of $length entries" }
        return length
    }

    companion object {
        private const val WORD = 4
        private const val FIRST_FIELD = 4
        private const val IDENTIFIER = "TFL3"

        fun root(file: ByteBuffer): Table {
            val found =
                String(CharArray(IDENTIFIER.length) { file.get(WORD + it).toInt().toChar() })
            require(found == IDENTIFIER) { "it does not begin as one" }
            return Table(file, file.getInt(0))
        }
    }
}
