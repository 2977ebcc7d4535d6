"""A ``.tflite`` file cut into files of a few operators each, to be timed apart."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from mvpose.export.graph import IDENTIFIER, Graph


def runs(labels: Iterable[str]) -> list[tuple[str, range]]:
    """Neighbours of the same label, with their places."""
    found = []
    for label, group in groupby(enumerate(labels), key=lambda item: item[1]):
        places = [place for place, _ in group]
        found.append((label, range(places[0], places[-1] + 1)))
    return found


class Cutter:
    """Writes parts of a file's main graph as files of their own.

    What a part reads of other parts becomes its inputs, and what others read of it its outputs, in
    the types that they have in the file.

    Args:
        path: the file, readable.
        graph: what ``read_graph`` found in it.
    """

    def __init__(self, path: Path, graph: Graph) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.graph = graph
        data = path.read_bytes()
        self.model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))

    def write(self, part: range, path: Path) -> tuple[list[int], list[int]]:
        """Write the operators of these places; the tensors that they read and write, in order."""
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema

        whole = self.model.subgraphs[0]
        operators = [whole.operators[place] for place in part]
        made = {int(i) for op in operators for i in op.outputs}
        read = {int(i) for op in operators for i in op.inputs if i >= 0}
        outside = {i for i in made if i in self.graph.outputs}
        for i in made:
            if any(place not in part for place in self.graph.consumers(i)):
                outside.add(i)
        given = [i for i in sorted(read - made) if not self.graph.tensors[i].constant]
        used = sorted(made | read)
        place_of = {tensor: place for place, tensor in enumerate(used)}
        buffers = [schema.BufferT()]
        tensors = []
        for i in used:
            tensor = copy.copy(whole.tensors[i])
            tensor.buffer = 0
            if self.graph.tensors[i].constant:
                buffer = schema.BufferT()
                buffer.data = self.graph.tensors[i].data
                buffers.append(buffer)
                tensor.buffer = len(buffers) - 1
            tensors.append(tensor)

        def moved(indices: Any) -> list[int]:
            return [place_of[int(i)] if i >= 0 else -1 for i in indices]

        graph = schema.SubGraphT()
        graph.tensors, graph.operators = tensors, []
        for op in operators:
            copied = copy.copy(op)
            copied.inputs, copied.outputs = moved(op.inputs), moved(op.outputs)
            graph.operators.append(copied)
        left = sorted(outside)
        graph.inputs, graph.outputs = moved(given), moved(left)
        model = schema.ModelT()
        model.version, model.operatorCodes = self.model.version, self.model.operatorCodes
        model.subgraphs, model.buffers = [graph], buffers
        builder = flatbuffers.Builder()
        builder.Finish(model.Pack(builder), IDENTIFIER)
        path.write_bytes(bytes(builder.Output()))
        return given, left
