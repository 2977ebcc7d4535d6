"""The description inside exported files: what goes in comes out, and its absence is told."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mvpose.artefact import ENTRY, Artefact, TensorInfo, append_artefact, read_artefact
from mvpose.errors import InputError
from mvpose.export.pipeline import TOOLCHAIN, Exported
from mvpose.export.targets.tflite import TFLiteTarget
from mvpose.files import sha256
from mvpose.runtime.litert import open_interpreter
from mvpose.runtime.load import load_runtime
from mvpose.spec import ModelSpec


@pytest.fixture(scope="module")
def mixed(exports: dict[str, Exported]) -> Path:
    return exports["static_wi8_ai8_mixed"].path


def test_inside_equals_beside(exports: dict[str, Exported]) -> None:
    for name, exported in exports.items():
        inside = read_artefact(exported.path)
        assert inside == Artefact.from_json(Path(f"{exported.path}.json").read_text())
        assert inside.recipe == name


def test_says_what_the_file_is(mixed: Path, small_spec: ModelSpec, checkpoint: Path) -> None:
    artefact = read_artefact(mixed)
    assert artefact.model == small_spec
    assert (artefact.format, artefact.layout) == ("tflite", "NHWC")
    assert artefact.weights_sha256 == sha256(checkpoint)
    assert set(artefact.toolchain) == {*TOOLCHAIN, *TFLiteTarget.toolchain}
    assert artefact.calibration is not None
    assert artefact.calibration["source"] == "drawn people"
    assert artefact.parity is not None
    assert artefact.parity["crops"] == 4
    assert artefact.accuracy is None


def test_is_plain_json_in_a_zip(mixed: Path) -> None:
    """What the Android and web demos rely on."""
    with zipfile.ZipFile(mixed) as archive:
        assert archive.namelist() == [ENTRY]
        assert archive.infolist()[0].compress_type == zipfile.ZIP_STORED
        document = json.loads(archive.read(ENTRY))
    assert document["schema_version"] == 1
    assert document["model"]["preprocess"]["mean"] == [120.0, 110.0, 100.0]
    assert document["input"]["shape"] == [1, 128, 64, 3]


def test_appending_leaves_the_network_as_it_was(
    float_file: Path, exports: dict[str, Exported], tmp_path: Path
) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(float_file.read_bytes())
    artefact = replace(read_artefact(exports["fp32"].path), recipe="other")
    append_artefact(path, artefact)
    assert path.read_bytes().startswith(float_file.read_bytes())
    assert read_artefact(path) == artefact
    crop = np.random.default_rng(0).uniform(0, 255, (1, 128, 64, 3)).astype(np.float32)
    outputs = []
    for file in (float_file, path):
        _, interpreter = open_interpreter(file)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], crop)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    np.testing.assert_array_equal(*outputs)


def missing(path: Path, good: bytes) -> None:
    pass


def folder(path: Path, good: bytes) -> None:
    path.mkdir()


def empty(path: Path, good: bytes) -> None:
    path.write_bytes(b"")


def text(path: Path, good: bytes) -> None:
    path.write_text("not a network at all\n" * 100)


def truncated(path: Path, good: bytes) -> None:
    path.write_bytes(good[: len(good) // 2])


def one_byte_short(path: Path, good: bytes) -> None:
    path.write_bytes(good[:-1])


def other_zip(path: Path, good: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "a zip, but not ours")


def damaged_entry(path: Path, good: bytes) -> None:
    at = good.rindex(b'"recipe"')
    path.write_bytes(good[:at] + b"#" * 8 + good[at + 8 :])


@pytest.mark.parametrize(
    "make", [missing, folder, empty, text, truncated, one_byte_short, other_zip, damaged_entry],
    ids=lambda make: make.__name__.replace("_", " "),
)  # fmt: skip
def test_no_description(make: Callable[[Path, bytes], None], mixed: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    make(path, mixed.read_bytes())
    with pytest.raises(InputError, match=r"carries no description of mvpose-export") as caught:
        read_artefact(path)
    assert str(path) in caught.value.what
    assert caught.value.hint


def test_bare_file_of_another_program(float_file: Path) -> None:
    with pytest.raises(InputError, match="no description of mvpose-export") as caught:
        load_runtime(str(float_file))
    assert str(float_file) in caught.value.what


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        pytest.param("{}", "model: Field required", id="nothing in it"),
        pytest.param('{"model": ', "Invalid JSON", id="cut-off JSON"),
    ],
)
def test_foreign_description(stated: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(ENTRY, stated)
    with pytest.raises(InputError, match=message) as caught:
        read_artefact(path)
    assert str(path) in caught.value.what


def test_description_over_a_damaged_network(mixed: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(b"garbage!" * 8 + mixed.read_bytes()[64:])
    assert read_artefact(path) == read_artefact(mixed)
    with pytest.raises(InputError, match="cannot load") as caught:
        load_runtime(str(path))
    assert str(path) in caught.value.what


@pytest.mark.parametrize(
    "info",
    [
        pytest.param(TensorInfo((1, 4, 2, 3), "float32"), id="float"),
        pytest.param(TensorInfo((1, 4, 2, 3), "int8", 1.0, -128), id="int8"),
    ],
)
def test_tensor_info_round_trip(info: TensorInfo) -> None:
    assert TensorInfo.from_json(info.to_json()) == info
