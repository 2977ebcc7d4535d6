package dev.mvpose.core

import org.json.JSONException

/** What [read] makes of a file; whatever damage makes it throw becomes what [unusable] says. */
internal inline fun <T> readOr(unusable: (Exception) -> Exception, read: () -> T): T =
    try {
        read()
    } catch (damage: JSONException) {
        throw unusable(damage)
    } catch (damage: IndexOutOfBoundsException) {
        throw unusable(damage)
    } catch (damage: IllegalArgumentException) {
        throw unusable(damage)
    }
