package dev.mvpose.core

import org.json.JSONArray
import org.json.JSONObject
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.abs
import kotlin.test.assertTrue

/** The golden vectors that Python wrote. */
object Golden {
    private const val SETTING = "MVPOSE_GOLDEN"

    private val folder: File by lazy {
        val told = System.getProperty(SETTING) ?: System.getenv(SETTING)
        val found =
            if (told != null) {
                File(told)
            } else {
                generateSequence(File("").absoluteFile) { it.parentFile }
                    .map { File(it, "tests/golden") }
                    .firstOrNull { it.isDirectory }
            }
        checkNotNull(found) { "tests/golden is nowhere above here; set $SETTING to its path" }
    }

    fun document(name: String): JSONObject = JSONObject(File(folder, name).readText())

    /** Run a check on each case of a document. */
    fun forEachCase(name: String, list: String = "cases", check: (JSONObject) -> Unit) {
        val cases = document(name).getJSONArray(list).objects()
        assertTrue(cases.isNotEmpty(), "$name has no $list")
        for (case in cases) {
            try {
                check(case)
            } catch (error: Throwable) {
                throw AssertionError("$name, ${case.getString("name")}: ${error.message}", error)
            }
        }
    }

    fun bytes(array: JSONObject): ByteArray = File(folder, array.getString("file")).readBytes()

    fun floats(array: JSONObject): FloatArray {
        val stored = ByteBuffer.wrap(bytes(array)).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        return FloatArray(stored.remaining()).also { stored.get(it) }
    }
}

fun JSONArray.objects(): List<JSONObject> = List(length()) { getJSONObject(it) }

fun JSONArray.ints(): IntArray = IntArray(length()) { getInt(it) }

fun JSONArray.numbers(): DoubleArray = DoubleArray(length()) { getDouble(it) }

/** Rows of an (N, M) array. */
fun JSONArray.rows(): List<DoubleArray> = List(length()) { getJSONArray(it).numbers() }

fun JSONArray.toBox(): Box = numbers().let { (x, y, width, height) -> Box(x, y, width, height) }

fun JSONArray.toAffine(): Affine =
    rows().let { (x, y) -> Affine().apply { set(x[0], x[1], x[2], y[0], y[1], y[2]) } }

fun assertNear(expected: Double, actual: Double, tolerance: Double, what: String) =
    assertTrue(abs(expected - actual) <= tolerance, "$what is $actual, not $expected")

fun assertNear(expected: Affine, actual: Affine, tolerance: Double, what: String) {
    assertNear(expected.xx, actual.xx, tolerance, "$what.xx")
    assertNear(expected.xy, actual.xy, tolerance, "$what.xy")
    assertNear(expected.x0, actual.x0, tolerance, "$what.x0")
    assertNear(expected.yx, actual.yx, tolerance, "$what.yx")
    assertNear(expected.yy, actual.yy, tolerance, "$what.yy")
    assertNear(expected.y0, actual.y0, tolerance, "$what.y0")
}

fun assertNear(expected: Box, actual: Box, tolerance: Double, what: String) {
    assertNear(expected.left, actual.left, tolerance, "$what.left")
    assertNear(expected.top, actual.top, tolerance, "$what.top")
    assertNear(expected.width, actual.width, tolerance, "$what.width")
    assertNear(expected.height, actual.height, tolerance, "$what.height")
}

fun assertNear(expected: List<DoubleArray>, actual: Pose, tolerance: Double) {
    for ((k, point) in expected.withIndex()) {
        assertNear(point[0], actual.x[k], tolerance, "x of keypoint $k")
        assertNear(point[1], actual.y[k], tolerance, "y of keypoint $k")
    }
}
