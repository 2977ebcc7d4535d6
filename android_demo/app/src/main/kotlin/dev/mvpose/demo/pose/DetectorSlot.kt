package dev.mvpose.demo.pose

import android.content.Context
import dev.mvpose.core.Accelerator
import dev.mvpose.core.Box
import dev.mvpose.core.DamagedOutput
import dev.mvpose.core.DetectionReader
import dev.mvpose.core.DetectorAdapter
import dev.mvpose.core.DetectorOutput
import dev.mvpose.core.ElementType
import dev.mvpose.core.Frame
import dev.mvpose.core.Letterbox
import dev.mvpose.core.TfliteInterface
import dev.mvpose.core.TflitePort
import dev.mvpose.core.UnusableDetector
import dev.mvpose.demo.model.map
import dev.mvpose.demo.model.text
import dev.mvpose.demo.runtime.LiteRtNetwork
import dev.mvpose.demo.runtime.tryAccelerator

/** The detector that a user put beside the models. It runs on the CPU, and only when needed. */
internal class DetectorSlot private constructor(
    private val adapter: DetectorAdapter,
    private val ports: List<TflitePort>,
    private val network: LiteRtNetwork,
) : AutoCloseable {
    val name: String
        get() = adapter.name

    /** Whether a frame was looked at and not yet searched. */
    var looked = false
        private set

    private val letterbox = Letterbox(adapter)
    private val reader = DetectionReader(adapter)
    private val input = FloatArray(adapter.inputSize)
    private var imageWidth = 0
    private var imageHeight = 0

    /** Take from [frame] what is needed; it can be given back then. */
    fun look(frame: Frame) {
        letterbox.prepare(frame, input)
        imageWidth = frame.uprightWidth
        imageHeight = frame.uprightHeight
        looked = true
    }

    /**
     * The surest person in the frame looked at; null: there is none.
     *
     * @throws DamagedOutput the network gave something that holds no boxes
     */
    fun find(): Box? {
        looked = false
        network.write(input)
        network.run()
        val outputs = ports.map { DetectorOutput(network.floats(it.place), it.shape) }
        return reader.read(outputs, imageWidth, imageHeight).boxes.firstOrNull()
    }

    override fun close() = network.close()

    companion object {
        private const val FOLDER = "detector"
        private const val FILE = "detector.tflite"
        private const val ADAPTER = "detector.json"

        /**
         * Start the detector; null where the app has none.
         *
         * @throws UnusableDetector one line says why
         */
        fun open(context: Context): DetectorSlot? {
            val files = context.assets.list(FOLDER).orEmpty()
            if (FILE !in files) return null
            if (ADAPTER !in files) throw UnusableDetector("$FILE has no $ADAPTER beside it")
            val adapter = DetectorAdapter.parse(context.assets.text("$FOLDER/$ADAPTER"))
            val file = TfliteInterface.read(context.assets.map("$FOLDER/$FILE"))
            val ports = adapter.places(file.outputs.map { it.name }).map { file.outputs[it] }
            check(file.inputs, adapter.inputSize)
            ports.forEach(::check)
            val trial =
                tryAccelerator(context, "$FOLDER/$FILE", Accelerator.CPU) {
                    it.write(FloatArray(adapter.inputSize))
                    it.run()
                }
            val network = trial.network ?: throw UnusableDetector(trial.attempt.reason)
            return DetectorSlot(adapter, ports, network)
        }

        private fun check(inputs: List<TflitePort>, size: Int) {
            val input = inputs.singleOrNull()
            val fits =
                input != null && input.dtype == ElementType.FLOAT32 &&
                    input.shape.fold(1, Int::times) == size
            if (!fits) {
                throw UnusableDetector(
                    "its input is not the adapter's picture in float32; " +
                        "export it with float inputs, and check width_px and height_px",
                )
            }
        }

        private fun check(output: TflitePort) {
            if (output.dtype != ElementType.FLOAT32) {
                throw UnusableDetector(
                    "its output ${output.name} is not float32; export it with float outputs",
                )
            }
        }
    }
}
