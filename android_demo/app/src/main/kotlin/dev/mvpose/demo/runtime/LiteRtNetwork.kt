package dev.mvpose.demo.runtime

import android.content.Context
import com.google.ai.edge.litert.BuiltinNpuAcceleratorProvider
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.Environment
import com.google.ai.edge.litert.LiteRtException
import dev.mvpose.core.Accelerator
import com.google.ai.edge.litert.Accelerator as LiteRtAccelerator

/** A network of one input on one accelerator, with its buffers. Not for several threads. */
class LiteRtNetwork private constructor(
    private val environment: Environment,
    private val model: CompiledModel,
) : AutoCloseable {
    private val inputs = model.createInputBuffers()
    private val outputs = model.createOutputBuffers()

    /** @throws LiteRtException the run-time refuses */
    fun write(values: FloatArray) = inputs[0].writeFloat(values)

    /** @throws LiteRtException the run-time refuses */
    fun write(stored: ByteArray) = inputs[0].writeInt8(stored)

    /** @throws LiteRtException the accelerator fails */
    fun run() = model.run(inputs, outputs)

    /** An output's numbers, in an array that LiteRT makes anew. */
    fun floats(place: Int): FloatArray = outputs[place].readFloat()

    /** An output's stored numbers, in an array that LiteRT makes anew. */
    fun bytes(place: Int): ByteArray = outputs[place].readInt8()

    override fun close() {
        inputs.forEach { it.close() }
        outputs.forEach { it.close() }
        model.close()
        environment.close()
    }

    companion object {
        /** Of the CPU's kernels: as many as phones have fast cores. */
        val THREADS = minOf(4, Runtime.getRuntime().availableProcessors())

        /**
         * Start a network on [accelerator] and nothing else.
         *
         * @throws LiteRtException the run-time refuses
         */
        fun open(context: Context, path: String, accelerator: Accelerator): LiteRtNetwork {
            val environment =
                when (accelerator) {
                    Accelerator.NPU -> Environment.create(BuiltinNpuAcceleratorProvider(context))
                    else -> Environment.create()
                }
            return try {
                open(context, path, accelerator, environment)
            } catch (problem: Throwable) {
                environment.close()
                throw problem
            }
        }

        private fun open(
            context: Context,
            path: String,
            accelerator: Accelerator,
            environment: Environment,
        ): LiteRtNetwork {
            val options = options(accelerator)
            val model = CompiledModel.create(context.assets, path, options, environment)
            return try {
                LiteRtNetwork(environment, model)
            } catch (problem: Throwable) {
                model.close()
                throw problem
            }
        }

        private fun options(accelerator: Accelerator): CompiledModel.Options {
            val options = CompiledModel.Options(LiteRtAccelerator.valueOf(accelerator.name))
            if (accelerator == Accelerator.CPU) {
                options.cpuOptions = CompiledModel.CpuOptions(numThreads = THREADS)
            }
            return options
        }
    }
}
