"""Files of every format from one network: the same function, described, ready for accelerators."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import CALIBRATION_CROPS
from numpy.typing import NDArray

import mvpose
from mvpose.artefact import ENTRY, Artefact
from mvpose.data.coco import KeypointData
from mvpose.data.images import read_image
from mvpose.errors import InputError
from mvpose.estimate import estimate
from mvpose.export import conversion, pipeline
from mvpose.export.card import MARK, NAME, write_card
from mvpose.export.conversion import Conversions
from mvpose.export.jobs import choose_files, left_out
from mvpose.export.pipeline import Exported, Exporter
from mvpose.export.speed import without_gain
from mvpose.export.targets.base import Target
from mvpose.export.targets.coreml import CoreMLTarget
from mvpose.export.targets.onnx import OnnxTarget
from mvpose.export.targets.openvino import OpenVINOTarget
from mvpose.export.targets.tflite import TFLiteTarget
from mvpose.files import parts, sha256
from mvpose.models.deploy import deploy
from mvpose.quantize.calibration import drawn_calibration, drawn_crops
from mvpose.quantize.forms import operands_form
from mvpose.quantize.recipes import RECIPES
from mvpose.quantize.simulate import SimulatedRuntime
from mvpose.runtime.load import load_runtime
from mvpose.runtime.torch_runtime import TorchRuntime
from mvpose.spec import ModelSpec

pytest.importorskip("onnx", reason="NOT TESTED: needs mvpose[onnx]")
pytest.importorskip("openvino", reason="NOT TESTED: needs mvpose[openvino]")

MIXED = RECIPES["static_wi8_ai8_mixed"]
REFUSED = ("Gather", "GatherND", "ArgMax", "TopK", "NonZero", "If", "Loop", "Einsum")
"""Operators that delegates for GPUs and neural processors are known to refuse."""

Files = dict[tuple[str, str], Exported]


def exporter_of(reference: TorchRuntime, *targets: Target) -> Exporter:
    return Exporter(
        reference,
        targets,
        lambda: drawn_calibration(reference.spec, CALIBRATION_CROPS),
        plain=True,
    )


@pytest.fixture(scope="module")
def exporter(float_runtime: TorchRuntime) -> Exporter:
    return exporter_of(float_runtime, OnnxTarget(), OpenVINOTarget())


@pytest.fixture(scope="module")
def files(exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Every recipe of ONNX and OpenVINO, by format and recipe."""
    folder = tmp_path_factory.mktemp("targets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "PARITY_CROPS", 4)
        return {
            (target.format, name): exporter.export(
                RECIPES[name], folder / f"small.{name}{target.suffix}"
            )
            for target in exporter.targets.values()
            for name in target.recipes
        }


@pytest.fixture(scope="module")
def crops(small_spec: ModelSpec) -> NDArray[np.uint8]:
    return drawn_crops(small_spec, 3, seed=8)


def test_floats_are_the_same_network(files: Files) -> None:
    for kind in ("onnx", "openvino"):
        assert files[kind, "fp32"].parity.max_difference < 1e-4
        half = files[kind, "fp16"]
        assert half.parity.sqnr_db > 45
        assert half.inventory.size_bytes < 0.62 * files[kind, "fp32"].inventory.size_bytes


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_sizes_of_integers(kind: str, files: Files) -> None:
    weights = sum(part.stat().st_size for part in parts(files[kind, "fp32"].path))
    for name in ("wi8_afp32", MIXED.name, "static_wi8_ai8"):
        assert files[kind, name].inventory.size_bytes < 0.45 * weights, name


@pytest.mark.parametrize("name", [MIXED.name, "static_wi8_ai8"])
def test_integers_are_those_of_the_simulation(
    name: str, files: Files, exporter: Exporter, crops: NDArray[np.uint8]
) -> None:
    """Up to roundings that fall to the other side, which random weights amplify."""
    net = operands_form(exporter.plan, RECIPES[name])
    if name != MIXED.name:
        net = exporter.plan.simulate(RECIPES[name])
    expected = SimulatedRuntime(net, exporter.reference.spec, name).heatmaps(crops)
    floats = exporter.reference.heatmaps(crops)
    lost = float(((expected - floats) ** 2).mean())
    for kind in ("onnx", "openvino"):
        found = load_runtime(str(files[kind, name].path)).heatmaps(crops)
        assert ((found - expected) ** 2).mean() < 0.6 * lost, kind


def test_mixed_rounds_operands_alone(exporter: Exporter) -> None:
    net = operands_form(exporter.plan, MIXED)
    on = {name for name, quantizer in net.activations.items() if quantizer.enabled}
    assert 0 < len(on) < 0.5 * len(net.activations)
    assert all(weight.enabled for weight in net.weights.values())


def test_descriptions(files: Files, small_spec: ModelSpec) -> None:
    for (kind, name), exported in files.items():
        inside = load_runtime(str(exported.path)).artefact
        assert inside == Artefact.from_json(Path(f"{exported.path}.json").read_text())
        assert (inside.format, inside.recipe, inside.layout) == (kind, name, "NCHW")
        assert inside.model == small_spec
        assert inside.input.shape == (1, 3, 128, 64)
        assert inside.output.shape == (1, 17, 32, 16)
        assert (inside.calibration is None) == (not RECIPES[name].needs_calibration)
        assert set(inside.toolchain) >= {"mvpose", "torch", kind}


def test_ready_for_accelerators(files: Files) -> None:
    """No operator of others, no rank above 4, batch 1, nothing that delegates refuse."""
    for key, exported in files.items():
        inventory = exported.inventory
        assert inventory.foreign == (), key
        assert inventory.highest_rank <= 4, key
        assert not set(inventory.operators) & set(REFUSED), key
        given, made = exported.target.tensors(exported.path)
        assert given.shape[0] == made.shape[0] == 1, key


@pytest.mark.parametrize("target", [OnnxTarget(), OpenVINOTarget()], ids=lambda t: t.format)
def test_same_bytes_again(
    target: Target, files: Files, float_runtime: TorchRuntime, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "PARITY_CROPS", 4)
        first = files[target.format, MIXED.name]
        again = exporter_of(float_runtime, target).export(MIXED, tmp_path / first.path.name)
    for a, b in zip(parts(first.path), parts(again.path), strict=True):
        assert a.read_bytes() == b.read_bytes(), a.name
    assert sha256(first.path) == sha256(again.path)


def test_any_number_of_crops(
    float_runtime: TorchRuntime, crops: NDArray[np.uint8], tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "PARITY_CROPS", 2)
        exporter = exporter_of(float_runtime, OnnxTarget(dynamic_batch=True))
        exported = exporter.export(RECIPES["fp32"], tmp_path / "any.onnx")
    assert exported.target.tensors(exported.path)[0].shape == (-1, 3, 128, 64)
    runtime = load_runtime(str(exported.path))
    np.testing.assert_allclose(runtime.heatmaps(crops), float_runtime.heatmaps(crops), atol=1e-3)


def test_any_file_in_a_few_lines(
    files: Files, drawn_data: KeypointData, float_runtime: TorchRuntime
) -> None:
    person = drawn_data.people[0]
    image = read_image(person.image)
    expected = estimate(float_runtime, image, np.array([person.box_xywh_px]))
    for kind in ("onnx", "openvino"):
        model = mvpose.load(str(files[kind, "fp32"].path))
        poses = model.predict(image, person.box_xywh_px)
        np.testing.assert_allclose(poses.keypoints_px, expected.keypoints_px, atol=0.05)
        assert model.spec == float_runtime.spec
        with pytest.raises(InputError, match="a picture is uint8"):
            model.predict(image[0])
        with pytest.raises(InputError, match=re.escape("crops are uint8 (N, 128, 64, 3)")):
            model.heatmaps(image[None])


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_a_reader_without_mvpose(
    kind: str, request: pytest.FixtureRequest, drawn_data: KeypointData, tmp_path: Path
) -> None:
    """examples/keypoints.py finds what mvpose finds, to a fraction of a heatmap's cell."""
    if kind == "onnx":
        path = request.getfixturevalue("files")["onnx", "fp32"].path
    else:
        path = request.getfixturevalue("exports")["fp32"].path
    person = drawn_data.people[0]
    image = read_image(person.image)
    np.save(tmp_path / "picture.npy", image)
    script = Path(__file__).parents[1] / "examples" / "keypoints.py"
    box = ",".join(map(str, person.box_xywh_px))
    told = subprocess.run(
        [sys.executable, script, path, tmp_path / "picture.npy", box],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert not re.search(r"^\s*(?:import|from) mvpose", script.read_text(), re.MULTILINE)
    lines = [line.split() for line in told.splitlines()]
    assert [name for name, *_ in lines] == list(drawn_data.skeleton.keypoints)
    model = mvpose.load(str(path))
    poses = model.predict(image, person.box_xywh_px)
    found = np.array([[float(x), float(y)] for _, x, y, _ in lines])
    size = model.spec.preprocess
    cell_px = max(
        person.box_xywh_px[2] / (size.input_width_px / 4),
        person.box_xywh_px[3] / (size.input_height_px / 4),
    ) * size.box_padding  # fmt: skip
    apart = np.linalg.norm(found - poses.keypoints_px[0], axis=1)
    assert np.median(apart) < cell_px


def test_card(files: Files, tmp_path: Path) -> None:
    folder = files["onnx", "fp32"].path.parent
    path = write_card(folder)
    assert path == folder / NAME
    text = path.read_text()
    assert text.startswith(MARK)
    for exported in files.values():
        assert f"| `{exported.path.name}` | {exported.recipe.name} |" in text
        assert sha256(exported.path)[:12] in text
    assert write_card(tmp_path) is None
    (tmp_path / "x.json").write_text("{}")
    assert write_card(tmp_path) is None
    foreign = folder / NAME
    foreign.write_text("mine")
    assert write_card(folder) is None
    assert foreign.read_text() == "mine"


def test_says_where_integers_gain_nothing(
    exporter: Exporter, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "PARITY_CROPS", 2)
    monkeypatch.setattr("mvpose.export.speed.GAIN", 100.0)
    (line,) = without_gain(exporter, [files["onnx", MIXED.name], files["onnx", "fp32"]])
    assert re.search(r"runs at \d\.\d\d times the speed of FP32", line)
    assert "--target openvino" in line
    assert without_gain(exporter, [files["openvino", MIXED.name]]) == []


ALL: tuple[Target, ...] = (TFLiteTarget(Conversions(None, Path())), OnnxTarget(), CoreMLTarget())  # type: ignore[arg-type]


def test_chooses_files() -> None:
    chosen = choose_files(ALL, ["fp32", "wp4_afp16", "fp32"], "net", Path("out"))
    assert [file.path.name for file in chosen] == [
        "net.fp32.tflite",
        "net.fp32.onnx",
        "net.fp32.mlpackage",
        "net.wp4_afp16.mlpackage",
    ]
    assert left_out(ALL, ["fp32", "wp4_afp16"]) == ["wp4_afp16: not for tflite, onnx"]
    defaults = choose_files(ALL, [], "net", Path("out"))
    assert [file.recipe.name for file in defaults] == ["fp32", "fp32", "fp16"]


def test_refuses_what_no_target_holds() -> None:
    with pytest.raises(InputError, match="tflite, onnx: no file in wp4_afp16") as caught:
        choose_files(ALL[:2], ["wp4_afp16"], "net", Path("out"))
    assert "onnx has fp32, fp16" in caught.value.hint
    with pytest.raises(InputError, match="unknown recipe 'int7'"):
        choose_files(ALL, ["int7"], "net", Path("out"))


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
@pytest.mark.parametrize("damage", ["cut", "foreign", "newer", "undescribed", "no weights"])
def test_damaged_files(kind: str, damage: str, files: Files, tmp_path: Path) -> None:
    source = files[kind, "fp32"].path
    for part in parts(source):
        (tmp_path / part.name).write_bytes(part.read_bytes())
    path, last = tmp_path / source.name, tmp_path / parts(source)[-1].name
    expected = {
        "cut": "cannot load",
        "foreign": "description in .* is not readable",
        "newer": "description in .* is not readable",
        "undescribed": "carries no description of mvpose-export",
        "no weights": "cannot load|has no .*bin",
    }[damage]
    if damage == "cut":
        last.write_bytes(last.read_bytes()[: last.stat().st_size // 2])
    elif damage == "no weights":
        last.unlink() if kind == "openvino" else last.write_bytes(b"")
    else:
        describe(path, kind, damage)
    with pytest.raises(InputError, match=expected):
        load_runtime(str(path))


def test_a_runtime_too_old_for_the_file(files: Files, tmp_path: Path) -> None:
    import onnx

    model = onnx.load(str(files["onnx", "fp32"].path))
    model.opset_import[0].version = 1000
    path = tmp_path / "tomorrow.onnx"
    onnx.save(model, str(path))
    with pytest.raises(InputError, match=r"onnxruntime .* cannot load") as caught:
        load_runtime(str(path))
    assert "newer than this runtime" in caught.value.hint


def test_a_converter_that_is_killed(
    small_spec: ModelSpec, float_runtime: TorchRuntime, tmp_path: Path
) -> None:
    """One line, nothing half-written, and the network lives to be converted elsewhere."""
    made = Conversions(small_spec, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conversion, "convert", killed)
        with pytest.raises(InputError, match=r"litert-torch was killed .*halfway"):
            made.file(deploy(float_runtime.model, small_spec.preprocess))
    assert list(tmp_path.iterdir()) == []


def killed(_network: object, _preprocess: object, path: Path) -> None:
    """What a converter does that runs out of memory."""
    path.write_bytes(b"half")
    print("halfway", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def describe(path: Path, kind: str, damage: str) -> None:
    """Put another description into a file."""
    known = load_runtime(str(path)).artefact.to_json()
    text = {
        "foreign": '{"maker": "somebody"}',
        "newer": json.dumps(json.loads(known) | {"schema_version": 2}),
        "undescribed": "",
    }[damage]
    if kind == "onnx":
        import onnx

        model = onnx.load(str(path))
        del model.metadata_props[:]
        if text:
            onnx.helper.set_model_props(model, {ENTRY: text})
        onnx.save(model, str(path))
        return
    source = path.read_text()
    described = re.compile(rf'\s*<{re.escape(ENTRY)} value="[^"]*" />')
    escaped = text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    path.write_text(described.sub(f'<{ENTRY} value="{escaped}" />' if text else "", source))


def test_two_parts_are_replaced_together(
    exporter: Exporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure leaves the older pair, and nothing half-written."""
    monkeypatch.setattr(pipeline, "PARITY_CROPS", 2)
    path = tmp_path / "net.xml"
    exporter.export(RECIPES["fp32"], path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def fail(*_: object) -> None:
        raise InputError("stopped")

    monkeypatch.setattr(OpenVINOTarget, "embed", fail)
    with pytest.raises(InputError, match="stopped"):
        exporter.export(RECIPES["fp16"], path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_signal_after_another_thread_released_openvino(files: Files) -> None:
    """A stack for signals that OpenVINO took back would end the process here."""
    script = """
import os, signal, sys, threading
from pathlib import Path
from mvpose.runtime.openvino_runtime import OpenVINORuntime

held = [OpenVINORuntime(Path(sys.argv[1]))]
signal.signal(signal.SIGINT, lambda *_: print("heard"))
thread = threading.Thread(target=held.clear)
thread.start()
thread.join()
os.kill(os.getpid(), signal.SIGINT)
"""
    path = files["openvino", "fp32"].path
    told = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=True
    )
    assert told.stdout == "heard\n"
