"""mvpose-doctor on ``.onnx`` files, each sick in one way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvpose.export.doctor.examine import examine
from mvpose.export.doctor.findings import Report, Severity

onnx = pytest.importorskip("onnx", reason="needs mvpose[onnx]")
helper = onnx.helper

FOREIGN = "no-description"


class Convolution:
    """A convolution between QuantizeLinear and DequantizeLinear: (1, 3, 64, 64) -> (1, 5, 16, 16).

    Its output is within -1.5 .. 1.5; a test changes its parts before it is written.
    """

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        weight = rng.integers(-60, 60, (5, 3, 4, 4)).astype(np.int8)
        weight[:, 0, 0, 0] = 127
        self.constants: dict[str, Any] = {
            "weight": weight,
            "weight scale": (np.linspace(0.5, 1, 5) / 1600).astype(np.float32),
            "weight zero": np.zeros(5, np.int8),
            "input scale": np.float32(1 / 255),
            "input zero": np.int8(-128),
            "output scale": np.float32(0.013),
            "output zero": np.int8(0),
        }
        self.opset = 17
        self.input_shape: list[int | str] = [1, 3, 64, 64]
        self.nodes = [
            node("QuantizeLinear", "x", "input scale", "input zero", to="xq"),
            node("DequantizeLinear", "xq", "input scale", "input zero", to="xd"),
            node("DequantizeLinear", "weight", "weight scale", "weight zero", to="wd", axis=0),
            node("Conv", "xd", "wd", to="y", strides=[4, 4]),
            node("QuantizeLinear", "y", "output scale", "output zero", to="yq"),
            node("DequantizeLinear", "yq", "output scale", "output zero", to="yd"),
        ]
        self.output, self.output_rank = "yd", 4
        self.external = False

    def append(self, *kinds: str, domain: str = "") -> None:
        """Put operators behind the output."""
        for kind in kinds:
            scale = ("output scale", "output zero") if kind.endswith("Linear") else ()
            made = f"{self.output}-{kind}"
            self.nodes.append(node(kind, self.output, *scale, to=made, domain=domain))
            self.output = made

    def write(self, path: Path) -> Path:
        given = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, self.input_shape)
        rank = [None] * self.output_rank
        made = helper.make_tensor_value_info(self.output, onnx.TensorProto.FLOAT, rank)
        constants = [
            onnx.numpy_helper.from_array(np.asarray(values), name)
            for name, values in self.constants.items()
        ]
        graph = helper.make_graph(self.nodes, "small", [given], [made], constants)
        domains = {n.domain for n in self.nodes} - {""}
        opsets = [helper.make_opsetid("", self.opset)]
        opsets += [helper.make_opsetid(domain, 1) for domain in domains]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
        outside = {"save_as_external_data": True, "size_threshold": 0, "location": "weights.bin"}
        onnx.save(model, path, **(outside if self.external else {}))
        return path


def node(kind: str, *inputs: str, to: str, **attributes: Any) -> Any:
    return helper.make_node(kind, list(inputs), [to], name=to, **attributes)


def codes(report: Report) -> dict[str, Severity]:
    return {f.code: f.severity for f in report.findings if f.code != FOREIGN}


def constant(name: str, value: Any) -> Callable[[Convolution], None]:
    def edit(model: Convolution) -> None:
        model.constants[name] = np.asarray(value, np.asarray(model.constants[name]).dtype)

    return edit


def float_weight(model: Convolution) -> None:
    """As quantisation-aware training leaves it."""
    model.constants["weight"] = model.constants["weight"].astype(np.float32) / 1600
    scales = "weight scale", "weight zero"
    model.nodes.insert(2, node("QuantizeLinear", "weight", *scales, to="wq", axis=0))
    model.nodes[3].input[0] = "wq"


def one_weight_scale(model: Convolution) -> None:
    model.constants["weight scale"] = np.float32(1 / 1600)
    model.constants["weight zero"] = np.int8(0)


def opset(version: int) -> Callable[[Convolution], None]:
    def edit(model: Convolution) -> None:
        model.opset = version

    return edit


def shape(*sizes: int | str) -> Callable[[Convolution], None]:
    def edit(model: Convolution) -> None:
        model.input_shape = list(sizes)

    return edit


def island(model: Convolution) -> None:
    model.append("Erf", "Sin", "QuantizeLinear", "DequantizeLinear")
    model.append("Sigmoid", "QuantizeLinear", "DequantizeLinear")


def detour(model: Convolution) -> None:
    model.append("QuantizeLinear", "DequantizeLinear")


def float_tail(model: Convolution) -> None:
    model.append("Erf", "Sin")


def deep(model: Convolution) -> None:
    model.constants["shape"] = np.array([1, 5, 4, 4, 16], np.int64)
    model.nodes.append(node("Reshape", "yd", "shape", to="deep"))
    model.output, model.output_rank = "deep", 5


def custom(model: Convolution) -> None:
    model.append("Landmarks", domain="my.project")


def contrib(model: Convolution) -> None:
    model.append("Gelu", domain="com.microsoft")


def infinite(model: Convolution) -> None:
    model.constants["infinity"] = np.array([np.inf], np.float32)
    model.nodes.append(node("Mul", "yd", "infinity", to="endless"))
    model.output = "endless"


def unknown_operator(model: Convolution) -> None:
    model.append("NoSuchOperator")


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        pytest.param(lambda model: None, {}, id="healthy"),
        pytest.param(float_tail, {}, id="float tail is no island"),
        pytest.param(float_weight, {"float-weights": "warning"}, id="float weights"),
        pytest.param(one_weight_scale, {"per-tensor-weights": "warning"}, id="one weight scale"),
        pytest.param(
            constant("weight zero", [0, 3, 0, 0, 0]),
            {"weight-zero-point": "error"},
            id="weight zero point",
        ),
        pytest.param(
            constant("weight scale", [4e-4, 4e-4, 0, 4e-4, 4e-4]),
            {"bad-scale": "error"},
            id="scale 0",
        ),
        pytest.param(
            constant("output scale", 1e-3),
            {"clipped-activations": "warning", "clipped-peaks": "warning"},
            id="range too narrow",
        ),
        pytest.param(
            constant("output scale", 20.0), {"flat-heatmaps": "error"}, id="range too wide"
        ),
        pytest.param(infinite, {"not-finite": "error"}, id="infinite constant"),
        pytest.param(opset(13), {"old-opset": "note"}, id="opset 13"),
        pytest.param(shape("batch", 3, 64, "width"), {"dynamic-shape": "warning"}, id="open sizes"),
        pytest.param(shape(2, 3, 64, 64), {"batch": "warning"}, id="batch 2"),
        pytest.param(deep, {"rank": "warning"}, id="rank 5"),
        pytest.param(island, {"float-islands": "warning"}, id="island"),
        pytest.param(detour, {"float-detours": "warning"}, id="detour"),
        pytest.param(
            custom, {"custom-operators": "error", "not-run": "error"}, id="custom operator"
        ),
        pytest.param(contrib, {"contrib-operators": "warning"}, id="contrib operator"),
        pytest.param(
            unknown_operator, {"invalid": "error", "not-run": "error"}, id="refused by the checker"
        ),
    ],
)
def test_findings(
    edit: Callable[[Convolution], None], expected: dict[str, Severity], tmp_path: Path
) -> None:
    model = Convolution()
    edit(model)
    report = examine(model.write(tmp_path / "model.onnx"))
    assert codes(report) == expected
    assert all(finding.mend for finding in report.findings)


def test_opset_without_per_channel_quantisation(tmp_path: Path) -> None:
    model = Convolution()
    one_weight_scale(model)
    model.nodes[2] = node("DequantizeLinear", "weight", "weight scale", "weight zero", to="wd")
    model.opset = 11
    found = codes(examine(model.write(tmp_path / "model.onnx")))
    assert found["old-opset"] == "warning"


def test_saving_by_integer_weights_is_told(tmp_path: Path) -> None:
    model = Convolution()
    float_weight(model)
    report = examine(model.write(tmp_path / "model.onnx"))
    (finding,) = [f for f in report.findings if f.code == "float-weights"]
    assert finding.where == ("weight",)


@pytest.mark.parametrize("kept", [None, 10], ids=["missing", "cut off"])
def test_external_data(kept: int | None, tmp_path: Path) -> None:
    model = Convolution()
    model.external = True
    path = model.write(tmp_path / "model.onnx")
    assert codes(examine(path)) == {}
    weights = tmp_path / "weights.bin"
    if kept is None:
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:kept])
    report = examine(path)
    assert codes(report)["external-data"] == "error"
    assert "weights.bin" in next(f.what for f in report.findings if f.code == "external-data")


def test_what_was_run(tmp_path: Path) -> None:
    report = examine(Convolution().write(tmp_path / "model.onnx"))
    assert "1 activation range on 4 drawn people" in report.checked
    assert any(text.startswith("one output step moves a keypoint") for text in report.checked)
