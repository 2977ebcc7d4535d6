package dev.mvpose.core

import org.json.JSONArray
import org.json.JSONObject
import kotlin.enums.enumEntries

/**
 * One of the words that [E] lists, in any case; [usual] where the field is left out.
 *
 * @throws IllegalArgumentException it is another word
 */
internal inline fun <reified E : Enum<E>> JSONObject.choice(field: String, usual: E): E {
    val word = optString(field, usual.name)
    return requireNotNull(enumEntries<E>().find { it.name.equals(word, ignoreCase = true) }) {
        "$field is $word, not one of ${enumEntries<E>().joinToString { it.name.lowercase() }}"
    }
}

internal fun JSONArray.strings(): List<String> = List(length()) { getString(it) }
