"""Core ML packages of every recipe: what they compute, what they carry, and damaged ones."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mvpose.artefact import ENTRY, Artefact, TensorInfo
from mvpose.errors import InputError
from mvpose.export.coreml import SUPPORTED, describe_coreml, write_coreml
from mvpose.export.coreml_readiness import neural_engine_findings
from mvpose.export.coreml_swift import swift_snippet
from mvpose.export.doctor.coreml import examine_coreml
from mvpose.files import sha256, size_bytes
from mvpose.models.deploy import deploy
from mvpose.parity import Parity, measure_parity
from mvpose.quantize.calibration import drawn_crops
from mvpose.quantize.forms import float_form, weights_form
from mvpose.quantize.observers import CALIBRATORS
from mvpose.quantize.plan import Plan, plan_int8
from mvpose.quantize.recipes import RECIPES
from mvpose.quantize.simulate import QuantNet, SimulatedRuntime
from mvpose.runtime.coreml_package import read_package, write_package
from mvpose.runtime.coreml_runtime import EVALUATOR, CoreMLRuntime, read_coreml
from mvpose.runtime.mil_evaluator import MilEvaluator
from mvpose.runtime.torch_runtime import TorchRuntime

pytest.importorskip("coremltools", reason="NOT TESTED: needs mvpose[coreml]")

SQNR_DB = {
    "fp32": 100.0,
    "fp16": 40.0,
    "wi8_afp32": 20.0,
    "wi8_afp16": 20.0,
    "wp6_afp16": 11.0,
    "wp4_afp16": 3.0,
    "static_wi8_ai8_mixed": 7.0,
    "static_wi8_ai8": 7.0,
}
"""Floors on random weights, which forgive nothing: they only tell a right file from a wrong one."""
OF_FP32 = {"fp16": 0.5, "wi8_afp32": 0.25, "wi8_afp16": 0.25, "wp6_afp16": 0.19, "wp4_afp16": 0.125}
"""Sizes of weights relative to float32."""
FLOAT16 = ("fp16", "wi8_afp16", "wp6_afp16", "wp4_afp16")


@pytest.fixture(scope="module")
def plan(float_runtime: TorchRuntime) -> Plan:
    preprocess = float_runtime.spec.preprocess
    crops = drawn_crops(float_runtime.spec, 8, seed=0)
    network = deploy(float_runtime.model, preprocess)
    return plan_int8(network, preprocess, crops, CALIBRATORS["average"])


def net_of(plan: Plan, name: str) -> QuantNet:
    recipe = RECIPES[name]
    if recipe.kind == "static":
        return plan.simulate(recipe)
    return (weights_form if recipe.kind == "weight_only" else float_form)(plan.graph)


def artefact_of(runtime: TorchRuntime, name: str) -> Artefact:
    width, height = runtime.spec.preprocess.size_wh
    columns, rows = runtime.spec.heatmap_wh
    return Artefact(
        model=runtime.spec,
        format="coreml",
        layout="NCHW",
        input=TensorInfo((1, 3, height, width), "uint8"),
        output=TensorInfo((1, runtime.spec.network.keypoints, rows, columns), "float32"),
        recipe=name,
        weights_sha256="0123456789abcdef" * 4,
        toolchain={"coremltools": "9.0"},
    )


@pytest.fixture(scope="module")
def packages(
    plan: Plan, float_runtime: TorchRuntime, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """By recipe."""
    folder = tmp_path_factory.mktemp("coreml")
    made = {name: folder / f"small.{name}.mlpackage" for name in SUPPORTED}
    for name, path in made.items():
        write_coreml(net_of(plan, name), float_runtime.spec, path, RECIPES[name])
        describe_coreml(path, artefact_of(float_runtime, name))
    return made


@pytest.fixture(scope="module")
def crops(float_runtime: TorchRuntime) -> NDArray[np.uint8]:
    return drawn_crops(float_runtime.spec, 2, seed=5)


@pytest.fixture(scope="module")
def parity(
    packages: dict[str, Path], float_runtime: TorchRuntime, crops: NDArray[np.uint8]
) -> dict[str, Parity]:
    return {
        name: measure_parity(float_runtime, CoreMLRuntime(path), crops, "drawn people")
        for name, path in packages.items()
    }


@pytest.mark.parametrize("name", SUPPORTED)
def test_parity(name: str, parity: dict[str, Parity]) -> None:
    assert parity[name].sqnr_db > SQNR_DB[name]


def test_float32_is_the_same_network(parity: dict[str, Parity]) -> None:
    assert parity["fp32"].max_difference < 1e-4


@pytest.mark.parametrize("name", ["static_wi8_ai8", "static_wi8_ai8_mixed"])
def test_float16_between_integers_is_near_the_simulation(
    name: str, plan: Plan, packages: dict[str, Path], crops: NDArray[np.uint8]
) -> None:
    """Nearer than either is to the float network."""
    runtime = CoreMLRuntime(packages[name])
    simulated = SimulatedRuntime(net_of(plan, name), runtime.spec, name)
    assert measure_parity(simulated, runtime, crops, "drawn people").sqnr_db > 12


def test_islands_of_the_gate(
    plan: Plan, float_runtime: TorchRuntime, crops: NDArray[np.uint8], tmp_path: Path
) -> None:
    """What it leaves in float is float in the package too."""
    whole, islands = RECIPES["static_wi8_ai8"], plan.graph.group("normalisation")
    net = plan.with_islands(islands).simulate(whole)
    path = tmp_path / "islands.mlpackage"
    write_coreml(net, float_runtime.spec, path, replace(whole, name="islands"), half=False)
    describe_coreml(path, artefact_of(float_runtime, "islands"))
    written = CoreMLRuntime(path)
    near, far = (
        measure_parity(
            SimulatedRuntime(simulated, written.spec, "islands"), written, crops, "drawn people"
        ).sqnr_db
        for simulated in (net, plan.simulate(whole))
    )
    assert near > far + 5


@pytest.mark.parametrize(("name", "share"), OF_FP32.items())
def test_size(name: str, share: float, packages: dict[str, Path]) -> None:
    """With the program, which is the same whatever the weights."""
    weights, whole = (
        (packages[n] / "Data/com.apple.CoreML/weights/weight.bin").stat().st_size
        for n in (name, "fp32")
    )
    assert weights < 1.2 * share * whole
    assert size_bytes(packages[name]) < 1.6 * share * size_bytes(packages["fp32"])


@pytest.mark.parametrize("name", SUPPORTED)
def test_oldest_system(name: str, packages: dict[str, Path]) -> None:
    system = "iOS 17" if RECIPES[name].kind == "static" else "iOS 16"
    assert system in examine_coreml(packages[name]).checked[0]


@pytest.mark.parametrize("name", FLOAT16)
def test_nothing_keeps_float16_off_the_neural_engine(name: str, packages: dict[str, Path]) -> None:
    assert neural_engine_findings(packages[name]) == []


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("fp32", ["float32"]),
        ("wi8_afp32", ["float32"]),
        ("static_wi8_ai8", ["thin-axis"]),
        ("static_wi8_ai8_mixed", ["thin-axis"]),
    ],
)
def test_what_keeps_others_off(name: str, codes: list[str], packages: dict[str, Path]) -> None:
    assert [finding.code for finding in neural_engine_findings(packages[name])] == codes


def test_operators(packages: dict[str, Path]) -> None:
    """SiLU and LayerNorm are one operator each; float16 adds its two casts."""
    wide, narrow = (
        Counter(op.op_type for op in MilEvaluator(packages[name]).operations)
        for name in ("fp32", "fp16")
    )
    assert not {"sigmoid", "mul", "rsqrt", "pad", "slice_by_index"} & wide.keys()
    assert wide["silu"] > 30
    assert wide["layer_norm"] == 21
    del wide["identity"]
    assert narrow - wide == {"cast": 2}


def test_image_input(packages: dict[str, Path]) -> None:
    description = read_package(packages["fp16"]).description
    (given,) = description.input
    assert given.name == "image"
    assert (given.type.imageType.width, given.type.imageType.height) == (64, 128)
    assert given.type.imageType.colorSpace == given.type.imageType.RGB
    (made,) = description.output
    assert made.name == "heatmaps"


def test_description(packages: dict[str, Path], float_runtime: TorchRuntime) -> None:
    about = read_package(packages["fp16"]).description.metadata
    assert read_coreml(packages["fp16"]) == artefact_of(float_runtime, "fp16")
    assert about.author == "mvpose"
    assert float_runtime.spec.name in about.shortDescription


def test_protocol(packages: dict[str, Path]) -> None:
    protocol = CoreMLRuntime(packages["fp16"]).protocol
    if sys.platform != "darwin":
        assert protocol["runtime"] == EVALUATOR
        assert protocol["device"] == "cpu"
    assert protocol["precision"] == "fp16"
    assert protocol["sha256"] == sha256(packages["fp16"])


@pytest.mark.parametrize("name", ["fp16", "wp4_afp16", "static_wi8_ai8"])
def test_the_same_bytes(
    name: str, plan: Plan, float_runtime: TorchRuntime, packages: dict[str, Path], tmp_path: Path
) -> None:
    again = tmp_path / "again.mlpackage"
    write_coreml(net_of(plan, name), float_runtime.spec, again, RECIPES[name])
    describe_coreml(again, artefact_of(float_runtime, name))
    files = sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    assert len(files) == 3
    for file in files:
        assert (again / file).read_bytes() == (packages[name] / file).read_bytes(), file


def test_no_form_of_it(plan: Plan, float_runtime: TorchRuntime, tmp_path: Path) -> None:
    net = float_form(plan.graph)
    with pytest.raises(InputError, match="no Core ML form of dynamic_wi8"):
        write_coreml(net, float_runtime.spec, tmp_path / "no.mlpackage", RECIPES["dynamic_wi8"])


def no_package(path: Path) -> None:
    shutil.rmtree(path)
    path.mkdir()


def no_weights(path: Path) -> None:
    (path / "Data/com.apple.CoreML/weights/weight.bin").unlink()


def cut_off(path: Path) -> None:
    model = path / "Data/com.apple.CoreML/model.mlmodel"
    model.write_bytes(model.read_bytes()[:1000])


def foreign(path: Path) -> None:
    package = read_package(path)
    del package.description.metadata.userDefined[ENTRY]
    write_package(path, package)


def torn(path: Path) -> None:
    package = read_package(path)
    package.description.metadata.userDefined[ENTRY] = "{"
    write_package(path, package)


def another_path(path: Path) -> None:
    manifest = json.loads((path / "Manifest.json").read_text())
    for item in manifest["itemInfoEntries"].values():
        item["path"] = "elsewhere"
    (path / "Manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (no_package, "holds no Manifest.json"),
        (no_weights, "can't be read as an ML Program"),
        (cut_off, "not a Core ML model, or is cut off"),
        (foreign, "carries no description of mvpose-export"),
        (torn, "description in .* is not readable"),
        (another_path, "holds no elsewhere"),
        (shutil.rmtree, "no such file"),
    ],
)
def test_damaged(
    damage: Callable[[Path], None], words: str, packages: dict[str, Path], tmp_path: Path
) -> None:
    path = Path(shutil.copytree(packages["fp16"], tmp_path / "copy.mlpackage"))
    damage(path)
    with pytest.raises(InputError, match=words):
        CoreMLRuntime(path)


def test_without_coremltools(packages: dict[str, Path]) -> None:
    """In a process of its own, where nothing can have imported it."""
    code = (
        "import sys, importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'coremltools' else find(name, *a)\n"
        "from pathlib import Path; from mvpose.runtime.coreml_runtime import read_coreml\n"
        "from mvpose.errors import InputError\n"
        "try: read_coreml(Path(sys.argv[1]))\n"
        "except InputError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(packages["fp16"])]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "pip install 'mvpose[coreml]'" in said


def test_swift(float_runtime: TorchRuntime) -> None:
    """What it must name; it can't be compiled here."""
    text = swift_snippet(artefact_of(float_runtime, "fp16"))
    assert "NOT RUN" in text
    assert "width = 64, height = 128" in text
    assert '"left_ankle"' in text
    assert text.count("{") == text.count("}")
    assert text.count("(") == text.count(")")
