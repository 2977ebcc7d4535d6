"""The checkpoint that ships: what it is, and that it does what the committed results say."""

import json
from pathlib import Path

import pytest

from mvpose.checkpoint import load_checkpoint, read_safetensors
from mvpose.data.coco import load_keypoints
from mvpose.evaluation import evaluate
from mvpose.files import sha256
from mvpose.runtime.load import load_runtime
from mvpose.spec import COCO17
from mvpose.zoo import SHIPPED, zoo_spec

RESULTS = Path(__file__).parent.parent / "benchmark" / "results"


def test_is_the_zoo_model_in_half_precision() -> None:
    _, spec, _ = load_checkpoint(SHIPPED)
    assert spec == zoo_spec("mobilevitpose-xxs")
    _, weights = read_safetensors(SHIPPED)
    assert {str(t.dtype) for t in weights.values() if t.is_floating_point()} == {"torch.float16"}


def test_never_trained_on_validation_people() -> None:
    _, _, record = load_checkpoint(SHIPPED)
    assert {source["split"] for source in record["recipe"]["sources"]} == {"train"}


@pytest.mark.parametrize("name", ["float", "formats", "benchmark"])
def test_results_are_of_this_checkpoint(name: str) -> None:
    text = (RESULTS / f"{name}.json").read_text("utf-8")
    assert sha256(SHIPPED) in text


def test_reaches_the_committed_ap(shared_data: Path) -> None:
    committed = json.loads((RESULTS / "float.json").read_text("utf-8"))
    data = load_keypoints(shared_data / "coco_mini", "val", COCO17)
    measured, _ = evaluate(load_runtime(threads=2), data, by_keypoint=False)
    assert measured.ap == pytest.approx(committed["ap"], abs=0.003)
