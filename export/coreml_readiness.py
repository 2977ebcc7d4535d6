"""Whether anything in a Core ML package keeps it off the neural engine.

Apple publishes no list of what the neural engine runs; Core ML decides on the device, and Xcode's
performance report shows what it chose. Checked is what is written down:

- operators in float32 run on CPU and GPU only:
  https://apple.github.io/coremltools/docs-guides/source/typed-execution.html
- sizes that are open until run time: other than the default size runs on CPU or GPU
  (https://developer.apple.com/forums/thread/724930,
  https://apple.github.io/coremltools/docs-guides/source/flexible-inputs.html)
- a batch other than 1, tensors above rank 4, and, as a note, a last axis of one element, which is
  padded to 64 bytes: "Deploying Transformers on the Apple Neural Engine",
  https://machinelearning.apple.com/research/neural-engine-transformers
- custom operators, recurrent ones, gather and dilated convolutions, by experiments of others:
  https://github.com/hollance/neural-engine/blob/master/docs/unsupported-layers.md; newer ones find
  dilation supported from the A13 on
- scatter, reduce_prod and the recurrent ones, the same way:
  https://ane-guide.readthedocs.io/en/latest/part-1-machine/04-capability-surface.html
- control flow and lists, and an axis above 16384 (up to the A15):
  https://aneforge.readthedocs.io/en/latest/capabilities/
- what orders, counts or draws at random (argmax, top k, suppression): sources differ from engine to
  engine, and decoding is the app's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mvpose.export.doctor.coreml import examine_coreml
from mvpose.export.doctor.coreml_program import Operation, numbers, operations
from mvpose.export.doctor.findings import Finding, counted, ordered, plural
from mvpose.runtime.coreml_package import read_package

OF_THE_DOCTOR = ("float32", "dynamic-shape", "batch", "rank", "custom-operators", "neural-network")
"""Its findings that keep a package off the neural engine."""
REFUSED = ("gather", "scatter", "lstm", "gru", "rnn", "reduce_arg", "topk", "argsort", "cumsum",
           "non_zero", "non_maximum_suppression", "one_hot", "cond", "while_loop", "shape", "list_",
           "make_list", "reduce_prod", "band_part", "random_")  # fmt: skip
"""How the names of operators begin that run elsewhere."""
LONGEST_AXIS = 16384


def neural_engine_findings(path: Path) -> list[Finding]:
    """What keeps a package, or a part of it, off the neural engine; empty where nothing does.

    Raises:
        InputError: it can't be read, or coremltools is not installed.
    """
    found = [f for f in examine_coreml(path).findings if f.code in OF_THE_DOCTOR]
    package = read_package(path)
    if package.WhichOneof("Type") == "mlProgram":
        program = operations(package)
        computing = [op for op in program if not op.constant]
        makers = {op.name: op for op in program}
        found += [*_refused(computing), *_dilated(computing, makers), *_sizes(computing)]
    return list(ordered(found))


def _refused(program: list[Operation]) -> Iterator[Finding]:
    refused = [op for op in program if op.kind.startswith(REFUSED)]
    if refused:
        yield Finding(
            "warning",
            "not-on-neural-engine",
            f"{plural(len(refused), 'operator')} that the neural engine does not run "
            f"({counted(op.kind for op in refused)})",
            "decoding or indexing is part of the network",
            "leave it to the app, as mvpose-export does with decoding",
            tuple(op.name for op in refused),
        )


def _dilated(program: list[Operation], makers: dict[str, Operation]) -> Iterator[Finding]:
    dilated = [
        op
        for op in program
        if op.kind == "conv"
        and (steps := numbers(op.arguments.get("dilations"), makers)) is not None
        and steps.max() > 1
    ]
    if dilated:
        yield Finding(
            "warning",
            "dilated",
            f"{plural(len(dilated), 'dilated convolution')}, which older neural engines leave to "
            "the GPU",
            "the network widens its view by dilation",
            "use strides or larger kernels where old phones matter",
            tuple(op.name for op in dilated),
        )


def _sizes(program: list[Operation]) -> Iterator[Finding]:
    long = [op for op in program if op.shape and max(op.shape) > LONGEST_AXIS]
    if long:
        yield Finding(
            "warning",
            "long-axis",
            f"{plural(len(long), 'tensor')} with an axis above {LONGEST_AXIS}, which the neural "
            "engine can't hold",
            "pixels or tokens are flattened into one axis",
            "keep rows and columns apart",
            tuple(op.name for op in long),
        )
    thin = [op for op in program if len(op.shape) > 1 and op.shape[-1] == 1 and max(op.shape) > 1]
    if thin:
        yield Finding(
            "note",
            "thin-axis",
            f"{plural(len(thin), 'tensor')} whose last axis has one element, which the neural "
            "engine pads to 64 bytes",
            "a mean over the last axis, as of a normalisation by hand",
            "use layer_norm, as the float recipes do",
            tuple(op.name for op in thin),
        )
