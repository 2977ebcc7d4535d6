package dev.mvpose.demo.model

import android.content.res.AssetManager
import java.io.FileInputStream
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.channels.FileChannel
import java.security.MessageDigest

/**
 * A file of the APK, mapped and not read.
 *
 * @throws IOException there is none, or it is stored compressed
 */
fun AssetManager.map(path: String): ByteBuffer =
    openFd(path).use { asset ->
        FileInputStream(asset.fileDescriptor).use { stream ->
            stream.channel.map(
                FileChannel.MapMode.READ_ONLY,
                asset.startOffset,
                asset.declaredLength,
            )
        }
    }

/** @throws IOException there is none */
fun AssetManager.text(path: String): String = open(path).bufferedReader().use { it.readText() }

/** In lower-case hexadecimal digits. */
fun sha256(file: ByteBuffer): String {
    val digest = MessageDigest.getInstance("SHA-256").apply { update(file.duplicate()) }.digest()
    return digest.joinToString("") { "%02x".format(it) }
}
