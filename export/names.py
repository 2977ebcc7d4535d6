"""Short names for the tensors of a converted file: a converter's are 7 % of an INT8 file."""

from __future__ import annotations

from pathlib import Path

IDENTIFIER = b"TFL3"


def shorten_names(path: Path) -> None:
    """Name each tensor of a float ``.tflite`` file by its module and its number, in place.

    "stages.2.1.to_tokens:295" in place of the classes and names of all modules around it, of each
    operator that was fused; the input is "image", the output "heatmaps".
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(path.read_bytes(), 0))
    graph = model.subgraphs[0]
    for number, tensor in enumerate(graph.tensors):
        tensor.name = f"{module_of(tensor.name.decode())}:{number}".encode()
    for name, numbers in ((b"image", graph.inputs), (b"heatmaps", graph.outputs)):
        for number in numbers:
            graph.tensors[number].name = name
    builder = flatbuffers.Builder(path.stat().st_size)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    path.write_bytes(builder.Output())


def module_of(name: str) -> str:
    """The path of the first module in a name of litert-torch.

    ``...Wrapper/pose.DeployNet_wrapped/torch.Sequential_stages/torch.Conv2d_0;2;;...`` is
    ``stages.0``; constants have none.
    """
    _, _, inside = name.partition(";")[0].partition("_wrapped/")
    return ".".join(part.rpartition(".")[2].partition("_")[2] for part in inside.split("/"))
