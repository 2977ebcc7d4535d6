package dev.mvpose.core

/** A file that can't be used; the message is one line for the user. */
class UnusableModel(val reason: Reason, message: String) : Exception(message) {
    enum class Reason {
        NOT_A_DESCRIPTION,
        NEWER_SCHEMA,
        FORMAT,
        LAYOUT,
        BATCH,
        ELEMENT_TYPE,
        DECODE,
        SHAPES,
    }
}
