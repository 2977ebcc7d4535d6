"""A graph of any format as a list of operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["integer", "float", "quantize", "dequantize", "other"]

CONVERSIONS = ("QUANTIZE", "DEQUANTIZE", "QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True)
class Step:
    """An operator.

    Attributes:
        kind: of operator, as the format calls it.
        name: of what it makes.
        role: "quantize" and "dequantize" convert activations; "other" is neither float nor integer
            arithmetic (shapes, indices).
        inputs, outputs: keys of activations; constants are left out.
        elements: of the first output.
        function: what bounds its values, by TFLite's names, the activation fused to it first.
        weighted: a convolution or a product with a weight.
        moves: it computes nothing.
    """

    kind: str
    name: str
    role: Role
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    elements: int
    function: str = ""
    weighted: bool = False
    moves: bool = False


def functions(steps: Sequence[Step]) -> dict[str, str]:
    """What computes each activation: a function, or "SILU" for x * sigmoid(x).

    Left out are activations that are only moved, which are judged where they were computed, and
    those that come straight from the picture, which reach their limits by themselves.

    Args:
        steps: in order of execution.
    """
    names: dict[str, str] = {}
    computed: dict[str, str] = {}
    origin: dict[str, str] = {}
    sigmoid_of: dict[str, str] = {}
    for step in steps:
        carried = next((names[key] for key in step.inputs if key in names), None)
        if not step.weighted and carried is None:
            continue
        read = [origin.get(key, key) for key in step.inputs]
        name = step.function
        if carried is not None and (step.moves or step.kind in CONVERSIONS):
            name = carried
            origin.update(dict.fromkeys(step.outputs, read[0]))
        elif step.kind.upper() == "MUL" and len(read) == 2:
            one, other = read
            if sigmoid_of.get(one) == other or sigmoid_of.get(other) == one:
                name = "SILU"
        elif name == "LOGISTIC":
            sigmoid_of[step.outputs[0]] = read[0]
        made = dict.fromkeys(step.outputs, name)
        names.update(made)
        if not step.moves:
            computed.update(made)
    return computed
