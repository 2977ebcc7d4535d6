package dev.mvpose.demo.ui

import android.app.Activity
import android.view.View
import android.widget.AdapterView
import android.widget.ArrayAdapter
import android.widget.Spinner
import dev.mvpose.core.Accelerator
import dev.mvpose.demo.R
import dev.mvpose.demo.model.ModelEntry
import dev.mvpose.demo.pose.EngineState
import dev.mvpose.demo.pose.PoseEngine

/**
 * The two lists in which model and accelerator are chosen.
 *
 * @param tell why an unusable model can't be chosen
 */
internal class ModelBar(
    private val activity: Activity,
    private val engine: PoseEngine,
    private val tell: (String?) -> Unit,
) {
    private val models = activity.view<Spinner>(R.id.model)
    private val accelerators = activity.view<Spinner>(R.id.accelerator)

    init {
        fill(models, engine.models.map(::label))
        fill(accelerators, Accelerator.entries.map { it.name })
        models.onItemSelectedListener = Chosen()
        accelerators.onItemSelectedListener = Chosen()
    }

    /** Point at what was chosen, wherever that was done. */
    fun show(state: EngineState) {
        val entry = state.entry ?: return
        val accelerator = state.asked ?: return
        models.setSelection(engine.models.indexOf(entry))
        accelerators.setSelection(accelerator.ordinal)
    }

    private fun fill(list: Spinner, items: List<String>) {
        val plain = android.R.layout.simple_spinner_item
        val adapter = ArrayAdapter(activity, plain, items)
        adapter.setDropDownViewResource(android.R.layout.simple_spinner_dropdown_item)
        list.adapter = adapter
    }

    private fun label(entry: ModelEntry) =
        if (entry.problem == null) entry.name else activity.getString(R.string.unusable, entry.name)

    private fun choose() {
        val entry = engine.models.getOrNull(models.selectedItemPosition) ?: return
        val accelerator = Accelerator.entries[accelerators.selectedItemPosition]
        if (entry.problem != null) {
            tell(entry.problem)
            return show(engine.state)
        }
        if (isChosen(entry, accelerator)) return
        tell(null)
        engine.use(entry, accelerator)
    }

    private fun isChosen(entry: ModelEntry, accelerator: Accelerator): Boolean {
        val state = engine.state
        return state.entry === entry && state.asked == accelerator
    }

    /** A list also calls when it is first laid out: that is no choice. */
    private inner class Chosen : AdapterView.OnItemSelectedListener {
        private var laidOut = false

        override fun onItemSelected(list: AdapterView<*>, item: View?, place: Int, id: Long) {
            if (laidOut) choose()
            laidOut = true
        }

        override fun onNothingSelected(list: AdapterView<*>) = Unit
    }
}
