"""Groups of float operators between integer ones, in any format."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mvpose.export.doctor.findings import Finding, counted, plural
from mvpose.export.doctor.steps import Role, Step


@dataclass(frozen=True)
class Island:
    """Float operators that hang together, with integer ones before and after them.

    Attributes:
        operators: indices of the float operators; empty where a value is only converted to float
            and back.
        entries, exits: indices of the conversions to float and back.
    """

    operators: tuple[int, ...]
    entries: tuple[int, ...]
    exits: tuple[int, ...]


def find_islands(steps: Sequence[Step]) -> list[Island]:
    """The float islands of a graph whose steps are in order of execution."""
    producer = {key: i for i, step in enumerate(steps) for key in step.outputs}
    group = list(range(len(steps)))

    def root(index: int) -> int:
        while group[index] != index:
            group[index] = group[group[index]]
            index = group[index]
        return index

    for index, step in enumerate(steps):
        for key in step.inputs:
            before = producer.get(key)
            if (
                before is not None
                and step.role in ("float", "quantize")
                and steps[before].role in ("float", "dequantize")
            ):
                group[root(index)] = root(before)
    members: defaultdict[int, list[int]] = defaultdict(list)
    for index, step in enumerate(steps):
        if step.role in ("float", "quantize", "dequantize"):
            members[root(index)].append(index)

    def of_role(role: Role, indices: list[int]) -> tuple[int, ...]:
        return tuple(i for i in indices if steps[i].role == role)

    found = [
        Island(of_role("float", m), of_role("dequantize", m), of_role("quantize", m))
        for m in members.values()
    ]
    return [island for island in found if island.entries and island.exits]


def island_findings(steps: Sequence[Step], wanted: str = "") -> Iterator[Finding]:
    """Findings on the float islands.

    Args:
        steps: in order of execution.
        wanted: name of the recipe that asks for float operators; "" where none does.
    """
    islands = find_islands(steps)
    detours = [island for island in islands if not island.operators]
    islands = sorted((i for i in islands if i.operators), key=lambda i: -_converted(steps, i))
    if islands:
        kinds = [steps[i].kind for island in islands for i in island.operators]
        yield Finding(
            "note" if wanted else "warning",
            "float-islands",
            f"{plural(len(islands), 'float island')} between integer operators: "
            f"{plural(len(kinds), 'operator')} ({counted(kinds)}), "
            f"{sum(len(i.entries) for i in islands)} conversions to float and "
            f"{sum(len(i.exits) for i in islands)} back, "
            f"{sum(_converted(steps, i) for i in islands):,} values converted in each run",
            f"the recipe {wanted} keeps them in float"
            if wanted
            else "the quantiser has no integer form of these operators, or was told to leave them",
            "every operator INT8: mvpose-export --full-int8 (slower where the delegate lacks them)"
            if wanted
            else "quantise these operators too, or widen the island to fewer, larger ones",
            tuple(steps[i.operators[0]].name for i in islands),
        )
    if detours:
        yield Finding(
            "warning",
            "float-detours",
            f"{plural(len(detours), 'value')} converted to float and straight back",
            "two quantisers met, or the calibration gave both sides scales of their own",
            "quantise the file in one go; the pair does nothing but round",
            tuple(steps[i.entries[0]].name for i in detours),
        )


def _converted(steps: Sequence[Step], island: Island) -> int:
    return sum(steps[i].elements for i in (*island.entries, *island.exits))
