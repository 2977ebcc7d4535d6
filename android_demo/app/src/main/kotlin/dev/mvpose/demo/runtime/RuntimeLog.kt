package dev.mvpose.demo.runtime

import android.os.Process
import android.os.SystemClock
import android.util.Log
import dev.mvpose.core.after
import java.io.IOException

/**
 * What LiteRT writes to the system's log from now on.
 *
 * Its Kotlin API does not tell which operators an accelerator took; its log does. An app may read
 * what its own process wrote.
 */
internal class RuntimeLog {
    private val mark = "trial ${SystemClock.elapsedRealtimeNanos()}"

    init {
        Log.i(TAG, mark)
    }

    /** In the form of `logcat -v brief`; empty where the phone does not give it out. */
    fun lines(): List<String> =
        try {
            val said = ProcessBuilder(COMMAND).redirectErrorStream(true).start()
            val lines = said.inputStream.bufferedReader().useLines { it.toList() }
            lines.after(mark)
        } catch (refused: IOException) {
            Log.w(TAG, "no logcat", refused)
            emptyList()
        }

    companion object {
        const val TAG = "mvpose"
        private val COMMAND =
            listOf("logcat", "-d", "-v", "brief", "--pid=${Process.myPid()}") +
                listOf("litert:V", "tflite:V", "$TAG:V", "*:S")
    }
}
