// Stand-ins: signatures of LiteRT 2.x without code, to compile the app against. Never packaged, and
// no source set of Gradle's. documented-api.txt has what the library documents.
@file:Suppress("UNUSED_PARAMETER", "unused")

package com.google.ai.edge.litert

import android.content.Context
import android.content.res.AssetManager

enum class Accelerator { NONE, CPU, GPU, NPU }

abstract class JniHandle internal constructor() : AutoCloseable {
    final override fun close(): Unit = TODO()
}

class Environment private constructor() : JniHandle() {
    enum class Option

    companion object {
        @JvmStatic
        fun create(options: Map<Option, String> = mapOf()): Environment = TODO()

        @JvmStatic
        fun create(
            npuAcceleratorProvider: NpuAcceleratorProvider,
            options: Map<Option, String> = mapOf(),
        ): Environment = TODO()
    }
}

class CompiledModel private constructor() : JniHandle() {
    fun createInputBuffers(signatureIndex: Int = 0): List<TensorBuffer> = TODO()

    fun createOutputBuffers(signatureIndex: Int = 0): List<TensorBuffer> = TODO()

    fun run(
        inputs: List<TensorBuffer>,
        outputs: List<TensorBuffer>,
        signatureIndex: Int = 0,
    ): Unit = TODO()

    class CpuOptions(
        val numThreads: Int? = null,
        val xnnPackFlags: Int? = null,
        val xnnPackWeightCachePath: String? = null,
    )

    class Options(accelerators: Set<Accelerator>) {
        constructor(vararg accelerators: Accelerator) : this(setOf(*accelerators))

        var cpuOptions: CpuOptions? = null
    }

    companion object {
        @JvmStatic
        fun create(
            assetManager: AssetManager,
            assetName: String,
            options: Options = TODO(),
            optionalEnv: Environment? = null,
        ): CompiledModel = TODO()
    }
}

class TensorBuffer internal constructor() : JniHandle() {
    fun writeFloat(data: FloatArray): Unit = TODO()

    fun writeInt8(data: ByteArray): Unit = TODO()

    fun readFloat(): FloatArray = TODO()

    fun readInt8(): ByteArray = TODO()
}

class LiteRtException(status: Status, message: String) : Exception(message)

enum class Status

interface NpuCompatibilityChecker

interface NpuAcceleratorProvider

class BuiltinNpuAcceleratorProvider(
    context: Context,
    npuCompatibilityChecker: NpuCompatibilityChecker = TODO(),
) : NpuAcceleratorProvider
