package dev.mvpose.demo.benchmark

import android.content.Context
import android.os.Build
import android.os.PowerManager
import dev.mvpose.core.BenchmarkResult

/** This phone, as a result file names it. */
internal fun thisDevice(): BenchmarkResult.Device {
    val maker = Build.MANUFACTURER.replaceFirstChar { it.uppercase() }
    return BenchmarkResult.Device(
        name = if (Build.MODEL.startsWith(maker)) Build.MODEL else "$maker ${Build.MODEL}",
        processor = Build.HARDWARE,
        system = "Android ${Build.VERSION.RELEASE} (API ${Build.VERSION.SDK_INT})",
        cores = Runtime.getRuntime().availableProcessors(),
    )
}

/** How hot the phone says it is, 0 (none) to 6 (shutdown); null: older than Android 10. */
internal fun thermalStatus(context: Context): Int? {
    if (Build.VERSION.SDK_INT < Build.VERSION_CODES.Q) return null
    return context.getSystemService(PowerManager::class.java)?.currentThermalStatus
}

/** Whether the phone saves power, which slows it down. */
internal fun savesPower(context: Context): Boolean =
    context.getSystemService(PowerManager::class.java)?.isPowerSaveMode == true
