package dev.mvpose.core

/**
 * What a model's file says of itself: every constant of the pipeline comes from here.
 *
 * @property name of the model
 * @property recipe of its quantisation
 * @property weightsSha256 of the checkpoint that it was made from
 * @property boxPadding the box is grown by this factor before cropping
 * @property input RGB crops, 0..255, (1, height, width, 3)
 * @property output heatmaps, (1, height, width, keypoints)
 */
class ModelDescription internal constructor(
    val name: String,
    val recipe: String,
    val weightsSha256: String,
    val boxPadding: Double,
    val decode: DecodeRule,
    val skeleton: Skeleton,
    val input: TensorInfo,
    val output: TensorInfo,
) {
    val inputHeight: Int get() = input.shape[1]
    val inputWidth: Int get() = input.shape[2]
    val heatmapHeight: Int get() = output.shape[1]
    val heatmapWidth: Int get() = output.shape[2]
    val keypointCount: Int get() = skeleton.keypoints.size

    companion object {
        /**
         * Read the JSON that lies beside an exported file.
         *
         * @throws UnusableModel it is none, or the pipeline can't use such a file
         */
        fun parse(text: String): ModelDescription = DescriptionReader.read(text)
    }
}
