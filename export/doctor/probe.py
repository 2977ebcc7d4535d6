"""Loading and running a ``.tflite`` file in a process of its own, which a sick file may bring down.

``python -m mvpose.export.doctor.probe FILE [INPUTS.npy]`` prints one line of JSON for each stage
that it survives: how the file is delegated and, given inputs, what its tensors held.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.errors import InputError

TIME_LIMIT_S = 300


@dataclass(frozen=True)
class Delegation:
    """What XNNPACK takes of a file.

    Attributes:
        undelegated: operators that run outside it, by kind.
        partitions: pieces that it takes the graph in.
    """

    undelegated: dict[str, int]
    partitions: int


@dataclass(frozen=True)
class Filling:
    """How the values of a quantised tensor lay in its range over all inputs: counts."""

    values: int
    at_lowest: int
    at_highest: int


@dataclass(frozen=True)
class Output:
    """What an output held, in real numbers.

    Attributes:
        finite: no NaN and no infinity.
        moved: the largest difference of a value between two inputs.
        peaks: for each channel of each input, its highest value; empty below rank 4.
    """

    finite: bool
    moved: float
    peaks: tuple[float, ...]


@dataclass(frozen=True)
class Probe:
    """What became of a file in an interpreter.

    Attributes:
        delegation: None where it could not be loaded.
        fillings: by tensor index.
        outputs: in the file's order.
        failure: how loading or running failed; "" where it did not.
    """

    delegation: Delegation | None = None
    fillings: dict[int, Filling] | None = None
    outputs: tuple[Output, ...] = ()
    failure: str = ""


def probe(path: Path, inputs: NDArray[Any] | None) -> Probe:
    """Load a file and, given inputs (N, ...) as its input tensor stores them, run it."""
    with tempfile.TemporaryDirectory(prefix="mvpose-") as folder:
        given = [] if inputs is None else [str(Path(folder) / "inputs.npy")]
        if inputs is not None:
            np.save(given[0], inputs)
        command = [sys.executable, "-P", "-m", "mvpose.export.doctor.probe", str(path), *given]
        printed, failure = "", f"it did not end within {TIME_LIMIT_S} seconds"
        with suppress(subprocess.TimeoutExpired):
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT_S)
            printed, failure = done.stdout, ""
            if done.returncode:
                last = done.stderr.strip().splitlines()[-1:]
                died = f"the interpreter died of it (exit code {done.returncode})"
                failure = ": ".join([died, *last])
    stages: dict[str, Any] = {}
    for line in printed.splitlines():
        if line.startswith("{"):
            stages.update(json.loads(line))
    return Probe(
        Delegation(**stages["delegation"]) if "delegation" in stages else None,
        {int(i): Filling(*counts) for i, counts in stages["fillings"].items()}
        if "fillings" in stages
        else None,
        tuple(
            Output(o["finite"], o["moved"], tuple(o["peaks"])) for o in stages.get("outputs", [])
        ),
        stages.get("failure", failure),
    )


def _delegation(path: Path) -> dict[str, Any]:
    from mvpose.export.inventory import undelegated
    from mvpose.runtime.litert import open_interpreter

    _, interpreter = open_interpreter(path)
    names = [op["op_name"] for op in interpreter._get_ops_details()]
    return {"undelegated": dict(undelegated(path)), "partitions": names.count("DELEGATE")}


def _run(path: Path, inputs: NDArray[Any]) -> dict[str, Any]:
    """Run without delegates, which keep their tensors to themselves."""
    from ai_edge_litert.interpreter import OpResolverType

    from mvpose.runtime.litert import open_interpreter, restore, tensor_info

    _, interpreter = open_interpreter(
        path,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    watched = {
        int(d["index"]): np.iinfo(d["dtype"])
        for d in interpreter.get_tensor_details()
        if d["quantization"][0] and np.dtype(d["dtype"]).itemsize <= 2
    }
    counts = {index: np.zeros(3, int) for index in watched}
    ends = interpreter.get_output_details()
    made: list[list[NDArray[np.float32]]] = [[] for _ in ends]
    for value in inputs:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], value[None])
        interpreter.invoke()
        for index, limits in watched.items():
            held = interpreter.get_tensor(index)
            counts[index] += (held.size, (held == limits.min).sum(), (held == limits.max).sum())
        for end, values in zip(ends, made, strict=True):
            values.append(restore(interpreter.get_tensor(end["index"]), tensor_info(end)))
    return {
        "fillings": {index: found.tolist() for index, found in counts.items()},
        "outputs": [_output(np.stack(values)) for values in made],
    }


def _output(values: NDArray[np.float32]) -> dict[str, Any]:
    """Of the values (N, 1, ...) of an output."""
    finite = bool(np.isfinite(values).all())
    peaks = values.max(axis=(1, 2, 3)).ravel() if values.ndim == 5 and finite else np.zeros(0)
    moved = float(np.ptp(values, axis=0).max()) if finite and values.size else 0.0
    return {"finite": finite, "moved": moved, "peaks": peaks.astype(float).tolist()}


def main(path: Path, *inputs: str) -> None:
    """Print the stages."""
    try:
        print(json.dumps({"delegation": _delegation(path)}), flush=True)
        if inputs:
            print(json.dumps(_run(path, np.load(inputs[0]))), flush=True)
    except InputError as error:
        print(json.dumps({"failure": error.what}), flush=True)
    except (RuntimeError, ValueError) as error:
        print(json.dumps({"failure": str(error).strip().splitlines()[0]}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
