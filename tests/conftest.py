"""One small network, one conversion and one set of exported files for all tests that need them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mvpose.benchmark.untrained import random_pose_net
from mvpose.checkpoint import save_checkpoint
from mvpose.data.coco import KeypointData, load_keypoints
from mvpose.data.synthetic import write_synthetic
from mvpose.export import pipeline
from mvpose.export.conversion import Conversions, conversions
from mvpose.export.pipeline import Exported, Exporter
from mvpose.export.targets.tflite import TFLiteTarget
from mvpose.models.deploy import deploy
from mvpose.quantize.calibration import drawn_calibration
from mvpose.quantize.recipes import RECIPES
from mvpose.runtime.load import load_float
from mvpose.runtime.torch_runtime import TorchRuntime
from mvpose.spec import ModelSpec, Preprocess
from mvpose.zoo import zoo_spec

CALIBRATION_CROPS = 16
EXPORTED = (
    "fp32",
    "fp16",
    "wi8_afp32",
    "dynamic_wi8",
    "static_wi8_ai8_mixed",
    "static_wi8_ai8",
)


@pytest.fixture(scope="session")
def small_spec() -> ModelSpec:
    """XXS on small crops, higher than wide, with a mean and unequal standard deviations."""
    preprocess = Preprocess(64, 128, mean=(120.0, 110.0, 100.0), std=(60.0, 65.0, 70.0))
    return replace(zoo_spec("mobilevitpose-xxs"), name="small", preprocess=preprocess)


@pytest.fixture(scope="session")
def checkpoint(small_spec: ModelSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small network as a checkpoint."""
    path = tmp_path_factory.mktemp("checkpoint") / "small.safetensors"
    save_checkpoint(path, random_pose_net(small_spec).state_dict(), small_spec)
    return path


@pytest.fixture(scope="session")
def float_runtime(checkpoint: Path) -> TorchRuntime:
    """The small network in PyTorch."""
    return load_float(str(checkpoint))


@pytest.fixture(scope="session")
def float_files(small_spec: ModelSpec) -> Iterator[Conversions]:
    """Conversions of the small network, each made once."""
    pytest.importorskip("litert_torch", reason="needs mvpose[tflite]")
    with conversions(small_spec) as made:
        yield made


@pytest.fixture(scope="session")
def float_file(float_files: Conversions, float_runtime: TorchRuntime) -> Path:
    """The small network's conversion, without a description."""
    return float_files.file(deploy(float_runtime.model, float_runtime.spec.preprocess))


@pytest.fixture(scope="session")
def exports(
    float_runtime: TorchRuntime, float_files: Conversions, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Exported]:
    """Exported files by recipe, calibrated on a few drawn people."""
    pytest.importorskip("ai_edge_quantizer", reason="needs mvpose[tflite]")
    folder = tmp_path_factory.mktemp("exports")
    exporter = small_export(float_runtime, float_files)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "PARITY_CROPS", 4)
        return {
            name: exporter.export(RECIPES[name], folder / f"small.{name}.tflite")
            for name in EXPORTED
        }


def small_export(
    reference: TorchRuntime, float_files: Conversions, io: str = "float32"
) -> Exporter:
    """An exporter that calibrates on few drawn people."""
    return Exporter(
        reference,
        [TFLiteTarget(float_files, io)],
        lambda: drawn_calibration(reference.spec, CALIBRATION_CROPS),
        plain=True,
    )


@pytest.fixture
def one_thread() -> Iterator[None]:
    """What is the same to the last bit in any run."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def drawn_data(tmp_path_factory: pytest.TempPathFactory) -> KeypointData:
    """A few drawn pictures with one to several people each."""
    folder = tmp_path_factory.mktemp("drawn")
    write_synthetic(folder, 8, seed=17, split="val")
    return load_keypoints(folder, "val")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn people to train and to validate on."""
    folder = tmp_path_factory.mktemp("data")
    write_synthetic(folder, 4, seed=0, split="train")
    write_synthetic(folder, 2, seed=1, split="val")
    return folder


def perfect_results(data: KeypointData) -> list[dict[str, Any]]:
    """The labels as COCO results, one per person in the data's order, all scores different.

    Keypoints without label are put at the centre of the box: anywhere in the person is fine.
    """
    results = []
    for number, person in enumerate(data.people):
        x, y, w, h = person.box_xywh_px
        keypoints = person.keypoints_px.copy()
        keypoints[keypoints[:, 2] == 0, :2] = x + w / 2, y + h / 2
        keypoints[:, 2] = 1
        results.append(
            {
                "image_id": person.image_id,
                "category_id": 1,
                "keypoints": keypoints.ravel().tolist(),
                "score": 1 - number / 1000,
            }
        )
    return results


def annotated_boxes(data: KeypointData) -> list[dict[str, Any]]:
    """The annotated boxes as COCO detection results."""
    return [
        {"image_id": p.image_id, "category_id": 1, "bbox": p.box_xywh_px.tolist(), "score": 0.5}
        for p in data.people
    ]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real photographs with labels, where the project's data lies beside the repository."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"NOT TESTED on photographs: there is no {folder.name} beside the repository")
    return folder
