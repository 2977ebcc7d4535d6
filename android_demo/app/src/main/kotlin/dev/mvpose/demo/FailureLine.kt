package dev.mvpose.demo

/** What went wrong, in one line: its own words, or its kind where it has none. */
internal val Throwable.line: String
    get() {
        val words = message.orEmpty().trim()
        return words.substringBefore('\n').ifEmpty { javaClass.simpleName }
    }
