package dev.mvpose.core

/** A network gave something that holds no pose; the message is one line for the user. */
class DamagedOutput(message: String) : RuntimeException(message, null, false, false)
