"""Training: a short run really trains, stops and goes on; recipes and losses do what they say."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("lightning")

from mvpose.checkpoint import load_checkpoint
from mvpose.data.coco import load_keypoints
from mvpose.data.samples import Augmentation, CropSamples
from mvpose.data.synthetic import write_synthetic
from mvpose.errors import InputError
from mvpose.spec import COCO17, Preprocess
from mvpose.training.losses import heatmap_mse, softmax_mse
from mvpose.training.module import rate_schedule, spec_for
from mvpose.training.recipe import Source, Stage, TrainRecipe, read_recipe
from mvpose.training.run import train
from mvpose.zoo import zoo_spec

TINY = TrainRecipe(
    model="mobilevitpose-xxs",
    sources=(Source(),),
    epochs=2,
    samples_per_epoch=8,
    stages=(Stage(0, 64, 64, 4),),
    warmup_steps=1,
    ema_decay=0.9,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_synthetic(folder, 4, seed=0, split="train")
    write_synthetic(folder, 2, seed=1, split="val")
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run(recipe: TrainRecipe, data: Path, out: Path, **options: Any) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return train(recipe, data, out, workers=0, devices="1", **options)


def test_trains_stops_and_goes_on(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = replace(TINY, epochs=1)
    path = run(recipe, data, tmp_path, validation=(data, "val"))
    first, spec, record = load_checkpoint(path)
    assert path == tmp_path / "best.safetensors"
    assert (spec.name, record["epochs"], record["samples"]) == ("mobilevitpose-xxs", 1, 8)
    shown = capsys.readouterr().out
    assert "resuming" not in shown
    assert "people in 4 images" in shown

    run(TINY, data, tmp_path, validation=(data, "val"))
    second, _, record = load_checkpoint(tmp_path / "last.safetensors")
    assert record["epochs"] == 2
    assert 0 <= record["validation_ap"] <= 1
    shown = capsys.readouterr().out
    assert "after epoch 1 of 2" in shown
    assert "epoch 2/2" in shown
    assert "epoch 1/2" not in shown
    changed = [
        name
        for name, tensor in second.state_dict().items()
        if tensor.is_floating_point() and not torch.equal(tensor, first.state_dict()[name])
    ]
    assert any(name.startswith("backbone") for name in changed)
    assert any(name.startswith("head") for name in changed)

    with pytest.raises(InputError, match="holds a run of mobilevitpose-xxs"):
        run(replace(TINY, model="mobilevitpose-xs"), data, tmp_path)


def test_starts_from_a_checkpoint(data: Path, tmp_path: Path) -> None:
    still = replace(TINY, epochs=1, learning_rate=0.0, weight_decay=0.0, ema_decay=0.0)
    first = run(replace(still, seed=1), data, tmp_path / "a")
    second = run(still, data, tmp_path / "b", init=first)
    weights = [dict(load_checkpoint(path)[0].named_parameters()) for path in (first, second)]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"validation": (Path("nowhere"), "val")}, "no annotations", id="validation"),
        pytest.param({"init": Path("nowhere.safetensors")}, "no such checkpoint", id="init"),
        pytest.param({"backbone": Path("nowhere.bin")}, "no such backbone", id="backbone"),
    ],
)
def test_refuses_before_training(
    data: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run(TINY, data, tmp_path, **options)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_refuses_damaged_state(data: Path, tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_bytes(b"half a file")
    with pytest.raises(InputError, match=r"cannot read .*last\.ckpt"):
        run(TINY, data, tmp_path)


def test_interrupt_is_not_swallowed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    from mvpose.training.module import PoseTraining

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(PoseTraining, "training_step", interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(TINY, data, tmp_path)
    finally:
        signal.signal(signal.SIGINT, handler)


@pytest.mark.parametrize("loss", ["mse", "softmax_mse"])
def test_unlabelled_keypoints_get_no_gradient(loss: str) -> None:
    torch.manual_seed(0)
    heatmaps = torch.randn(2, 3, 8, 8, requires_grad=True)
    targets, weights = torch.rand(2, 3, 8, 8), torch.tensor([[1.0, 0, 1], [0, 0, 1]])
    if loss == "mse":
        value = heatmap_mse(heatmaps, targets, weights)
    else:
        value = softmax_mse(heatmaps, targets, weights, temperature=10.0, mse_weight=1.0)
    torch.autograd.backward(value)
    assert heatmaps.grad is not None
    moved = heatmaps.grad.abs().sum((2, 3)) > 0
    assert torch.equal(moved, weights > 0)


@pytest.mark.parametrize("loss", ["mse", "softmax_mse"])
def test_losses_are_least_at_the_target(loss: str) -> None:
    torch.manual_seed(0)
    targets, weights = torch.rand(1, 2, 8, 8), torch.ones(1, 2)

    def value(heatmaps: torch.Tensor) -> float:
        if loss == "mse":
            return float(heatmap_mse(heatmaps, targets, weights))
        return float(softmax_mse(heatmaps, targets, weights, 10.0, 1.0))

    least = value(targets)
    assert all(value(targets + 0.05 * torch.randn_like(targets)) > least for _ in range(20))


def test_no_labels_no_loss() -> None:
    maps, weights = torch.rand(1, 2, 8, 8), torch.zeros(1, 2)
    assert heatmap_mse(maps, maps + 1, weights) == 0
    assert softmax_mse(maps, maps + 1, weights, 10.0, 1.0) == 0


def test_samples_weigh_labels(data: Path) -> None:
    person = load_keypoints(data, "train").people[0]
    points = person.keypoints_px.copy()
    points[:, 2] = 0
    points[5] = [*(person.box_xywh_px[:2] + person.box_xywh_px[2:] / 2), 2]
    points[6] = [-5000, 0, 2]
    still = Augmentation(flip=0, scale=0, rotation_probability=0, half_body=0)
    samples = CropSamples([replace(person, keypoints_px=points)], COCO17, Preprocess(64, 64), still)
    image, cells, weights = samples[0]
    assert image.shape == (3, 64, 64)
    assert image.dtype == torch.uint8
    assert weights.nonzero().ravel().tolist() == [5]
    torch.testing.assert_close(cells[5], torch.tensor([31.5, 31.5]))


RECIPE = """
model: mobilevitpose-xxs
sources: [{folder: a, weight: 2}]
epochs: 4
samples_per_epoch: 100
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(RECIPE + "learning_speed: 1\n", "learning_speed", id="unknown field"),
        pytest.param(RECIPE + "learning_rate: fast\n", "learning_rate", id="no number"),
        pytest.param(RECIPE + "loss: l7\n", "loss", id="unknown loss"),
        pytest.param(RECIPE.replace("epochs: 4\n", "", 1), "epochs", id="no epochs"),
        pytest.param(RECIPE + "augmentation: {spin: 1}\n", "augmentation.spin", id="nested"),
        pytest.param(RECIPE + "stages: [{from_epoch: 3}]\n", "begin with epoch 0", id="late start"),
        pytest.param(
            RECIPE + "stages: [{from_epoch: 0}, {from_epoch: 3}, {from_epoch: 2}]\n",
            "go on in order",
            id="stages out of order",
        ),
        pytest.param(RECIPE + "stages: []\n", "begin with epoch 0", id="no stages"),
        pytest.param("model: [\n", "cannot read", id="no YAML"),
        pytest.param("", "recipe.yaml", id="empty"),
    ],
)
def test_refuses_recipe(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_recipe(path)


def test_reads_recipe(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    recipe = read_recipe(path)
    assert recipe.sources == (Source("a", "train", 2.0),)
    assert TrainRecipe.from_json(recipe.to_json()) == recipe


STAGED = replace(
    TINY, epochs=5, samples_per_epoch=100, stages=(Stage(0, 64, 64, 10), Stage(3, 96, 128, 20))
)


def test_stages() -> None:
    assert [STAGED.stage(epoch).batch_size for epoch in range(5)] == [10, 10, 10, 20, 20]
    assert [STAGED.steps_before(epoch) for epoch in range(6)] == [0, 10, 20, 30, 35, 40]
    spec = zoo_spec("mobilevitpose-xxs")
    assert spec_for(spec, STAGED, 2).preprocess.size_wh == (64, 64)
    assert spec_for(spec, STAGED, 3).preprocess.size_wh == (96, 128)


@pytest.mark.parametrize(
    ("recipe", "rates"),
    [
        pytest.param(
            replace(STAGED, warmup_steps=4, decay_from_epoch=2),
            {0: 0.25, 1: 0.5, 3: 1.0, 19: 1.0, 20: 1.0, 30: 0.505, 40: 0.01, 99: 0.01},
            id="flat, then cosine",
        ),
        pytest.param(
            replace(STAGED, warmup_steps=2, schedule="steps", milestones=(2, 4)),
            {0: 0.5, 1: 1.0, 19: 1.0, 20: 0.1, 34: 0.1, 35: 0.01},
            id="steps",
        ),
        pytest.param(
            replace(STAGED, warmup_steps=0, schedule="steps"), {0: 1.0, 40: 1.0}, id="constant"
        ),
    ],
)
def test_rate_schedule(recipe: TrainRecipe, rates: dict[int, float]) -> None:
    rate = rate_schedule(recipe)
    assert {step: rate(step) for step in rates} == pytest.approx(rates)
