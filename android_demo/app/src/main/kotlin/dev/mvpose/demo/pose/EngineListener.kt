package dev.mvpose.demo.pose

/** A screen that shows what the engine does. */
interface EngineListener {
    /** On the main thread. */
    fun onState(state: EngineState)

    /** There is a new sheet on the board. On the inference thread. */
    fun onPose()

    /** A few times a second, on the main thread. */
    fun onTimes(times: Times)

    /** One line of what went wrong, or null once it is over. On the main thread. */
    fun onTrouble(line: String?)
}
