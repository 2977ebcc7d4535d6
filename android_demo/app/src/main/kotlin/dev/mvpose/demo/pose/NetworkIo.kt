package dev.mvpose.demo.pose

import dev.mvpose.core.ElementType
import dev.mvpose.core.ModelDescription
import dev.mvpose.core.Quantiser
import dev.mvpose.demo.runtime.LiteRtNetwork

/** The arrays between a pipeline and a network; a quantised file's are converted on the way. */
internal class NetworkIo(description: ModelDescription) {
    /** (height, width, 3), RGB 0..255. */
    val crop = FloatArray(description.input.size)

    private val storedCrop = ByteArray(description.input.size)
    private val restored = FloatArray(description.output.size)
    private val storing =
        description.input.takeIf { it.dtype == ElementType.INT8 }?.let(::Quantiser)
    private val restoring =
        description.output.takeIf { it.dtype == ElementType.INT8 }?.let(::Quantiser)

    /** From [crop] to heatmaps (height, width, keypoints); throws what the run-time throws. */
    fun run(network: LiteRtNetwork): FloatArray {
        if (storing == null) {
            network.write(crop)
        } else {
            storing.store(crop, storedCrop)
            network.write(storedCrop)
        }
        network.run()
        if (restoring == null) return network.floats(0)
        restoring.restore(network.bytes(0), restored)
        return restored
    }
}
