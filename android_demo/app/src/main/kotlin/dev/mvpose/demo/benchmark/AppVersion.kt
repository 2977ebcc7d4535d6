package dev.mvpose.demo.benchmark

import android.content.Context
import android.content.pm.PackageManager

/** Of this app, as a result file names what wrote it. */
internal fun appVersion(context: Context): String {
    val info = context.packageManager.getPackageInfo(context.packageName, 0)
    return "android_demo ${info.versionName}"
}

/** Of the LiteRT library in this app. */
internal fun liteRtVersion(context: Context): String {
    val info =
        context.packageManager.getApplicationInfo(
            context.packageName,
            PackageManager.GET_META_DATA,
        )
    return info.metaData?.getString("dev.mvpose.demo.LITERT_VERSION") ?: "unknown"
}
