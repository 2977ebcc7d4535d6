package dev.mvpose.core

/** The rows of a detector's outputs, in pixels of its input. */
internal class DetectionRows(private val adapter: DetectorAdapter, outputs: List<DetectorOutput>) {
    /** How many boxes there are. */
    val count: Int

    private val boxes = outputs[0].values
    private val scores = if (adapter.hasScores) outputs[1].values else null
    private val classes = if (adapter.hasClasses) outputs.last().values else null
    private val rowStep: Int
    private val columnStep: Int
    private val corners = adapter.columns.contains("x1")
    private val places =
        (if (corners) DetectorAdapter.CORNERS else DetectorAdapter.CENTRES)
            .map { adapter.columns.indexOf(it) }
    private val scorePlace = adapter.columns.indexOf("score")
    private val scaleX = if (adapter.inFractions) adapter.inputWidth.toDouble() else 1.0
    private val scaleY = if (adapter.inFractions) adapter.inputHeight.toDouble() else 1.0

    init {
        val shape = outputs[0].shape
        val columns = if (adapter.columnsFirst) shape.getOrElse(1) { 0 } else shape.last()
        count = if (columns > 0) boxes.size / columns else 0
        rowStep = if (adapter.columnsFirst) 1 else columns
        columnStep = if (adapter.columnsFirst) count else 1
        val fits = columns >= adapter.columns.size && count * columns == boxes.size
        if (!fits || listOfNotNull(scores, classes).any { it.size != count }) {
            val shapes = outputs.joinToString { it.shape.joinToString("x") }
            throw DamagedOutput(
                "the output $shapes is not what the adapter ${adapter.name} says; is the file a " +
                    "detector? Check the adapter's outputs and columns",
            )
        }
    }

    fun isPerson(row: Int): Boolean = classes == null || classes[row] == adapter.person.toFloat()

    fun score(row: Int): Double = scores?.get(row)?.toDouble() ?: value(row, scorePlace)

    fun left(row: Int): Double = scaleX * if (corners) value(row, places[0]) else edge(row, 0, -1)

    fun top(row: Int): Double = scaleY * if (corners) value(row, places[1]) else edge(row, 1, -1)

    fun right(row: Int): Double = scaleX * if (corners) value(row, places[2]) else edge(row, 0, 1)

    fun bottom(row: Int): Double = scaleY * if (corners) value(row, places[3]) else edge(row, 1, 1)

    /** Of a box given by its centre, along axis 0 or 1. */
    private fun edge(row: Int, axis: Int, side: Int): Double =
        value(row, places[axis]) + side * value(row, places[2 + axis]) / 2

    private fun value(row: Int, column: Int): Double =
        boxes[row * rowStep + column * columnStep].toDouble()
}
