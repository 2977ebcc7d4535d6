"""Training: a short run really trains, stops and goes on; it refuses what would fail later."""

import json
import resource
import signal
import warnings
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("lightning")

from mvpose.checkpoint import load_checkpoint, save_checkpoint
from mvpose.data.synthetic import write_synthetic
from mvpose.errors import InputError
from mvpose.models.build import build_network
from mvpose.spec import COCO17, Skeleton
from mvpose.training import start
from mvpose.training.module import PoseTraining, parameter_groups, rate_schedule, spec_for
from mvpose.training.recipe import (
    Distillation,
    Source,
    Stage,
    TeacherSource,
    TrainRecipe,
)
from mvpose.training.run import Machine, train, trained_spec
from mvpose.training.start import claim, start_from
from mvpose.training.trainer import WholeCheckpoints
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

pytestmark = pytest.mark.usefixtures("one_thread")


def run(recipe: TrainRecipe, data: Path, out: Path, **options: Any) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        machine = Machine(workers=0, devices="1", accelerator="cpu")
        return train(recipe, data, out, machine=machine, **options)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(path)[0].state_dict()


def test_trains(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run(TINY, data, tmp_path, validation=(data, "val"))
    _, spec, record = load_checkpoint(path)
    assert path == tmp_path / "best.safetensors"
    assert spec.preprocess.size_wh == (64, 64)
    last = load_checkpoint(tmp_path / "last.safetensors")[2]
    assert (spec.name, last["epochs"], last["samples"]) == ("mobilevitpose-xxs", 2, 16)
    assert 0 <= record["validation_ap"] <= 1
    shown = capsys.readouterr().out
    assert "people in 4 images" in shown
    assert "epoch 2/2: loss" in shown
    assert "waiting" in shown
    torch.manual_seed(0)
    fresh = run(replace(TINY, learning_rate=0.0), data, tmp_path / "fresh")
    trained, untrained = weights(tmp_path / "last.safetensors"), weights(fresh)
    for part in ("backbone.stem.conv.weight", "head.final.weight"):
        assert not torch.equal(trained[part], untrained[part])
    assert list(tmp_path.rglob("events.out.tfevents*"))
    assert list(tmp_path.rglob("metrics.csv"))


def test_a_stopped_run_ends_as_one_that_was_not(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    straight = run(TINY, data, tmp_path / "straight")

    step = PoseTraining.training_step
    handler = signal.getsignal(signal.SIGINT)

    def interrupted(self: PoseTraining, *batch: Any) -> torch.Tensor:
        if self.global_step == 3:
            raise KeyboardInterrupt
        return step(self, *batch)

    monkeypatch.setattr(PoseTraining, "training_step", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(TINY, data, tmp_path / "stopped")
    finally:
        signal.signal(signal.SIGINT, handler)
    monkeypatch.undo()
    resumed = run(TINY, data, tmp_path / "stopped")
    assert "after epoch 1 of 2" in capsys.readouterr().out
    expected = weights(straight)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(resumed).items())


def test_starts_from_a_checkpoint(data: Path, tmp_path: Path) -> None:
    still = replace(TINY, epochs=1, learning_rate=0.0, weight_decay=0.0, ema_decay=0.0)
    first = run(replace(still, seed=1), data, tmp_path / "a")
    second = run(still, data, tmp_path / "b", init=first)
    parameters = [dict(load_checkpoint(path)[0].named_parameters()) for path in (first, second)]
    assert all(torch.equal(tensor, parameters[1][name]) for name, tensor in parameters[0].items())


def test_replaces_the_last_layer(data: Path, tmp_path: Path) -> None:
    checkpoint = run(replace(TINY, epochs=1), data, tmp_path)
    hand = Skeleton(("thumb", "left_wrist"), (), (), (0.05, 0.05))
    spec = trained_spec(TINY, hand)
    model = build_network(spec.network)
    before = model.state_dict()["head.final.weight"].clone()
    said = start_from(model, checkpoint, spec)
    assert "17 keypoints there, 2 here, 1 of the same name" in said
    after, old = model.state_dict(), weights(checkpoint)
    wrist = COCO17.keypoints.index("left_wrist")
    assert torch.equal(after["head.final.weight"][1], old["head.final.weight"][wrist])
    assert torch.equal(after["head.final.weight"][0], before[0])
    assert torch.equal(after["backbone.stem.conv.weight"], old["backbone.stem.conv.weight"])


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


def test_refuses_a_size_that_the_model_cannot_take() -> None:
    recipe = replace(TINY, model="vitpose-b")
    with pytest.raises(InputError, match="vitpose-b can't be trained like this"):
        trained_spec(recipe, COCO17)


def test_refuses_damaged_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_synthetic(tmp_path / "data", 3, seed=0, split="train")
    broken = tmp_path / "data" / "train" / "000002.jpg"
    broken.write_bytes(broken.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"1 of 3 images are bad.*000002\.jpg.*--skip-bad"):
        run(TINY, tmp_path / "data", tmp_path / "out")
    assert run(TINY, tmp_path / "data", tmp_path / "out", skip_bad=True).is_file()
    assert "left out" in capsys.readouterr().err


def test_refuses_damaged_state(data: Path, tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_bytes(b"half a file")
    with pytest.raises(InputError, match=r"cannot read .*last\.ckpt"):
        run(TINY, data, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"learning_rate": 1e-3}, "learning_rate: 0.0005 -> 0.001", id="rate"),
        pytest.param({"model": "mobilevitpose-xs"}, "model: mobilevitpose-xxs", id="model"),
        pytest.param({"stages": (Stage(0, 96, 64, 4),)}, "stages", id="stage"),
    ],
)
def test_refuses_another_recipe_in_its_folder(
    data: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    state = {"epoch": 0, "recipe": TINY.to_json()}
    torch.save(state, tmp_path / "last.ckpt")
    with pytest.raises(InputError, match=message):
        run(replace(TINY, **change), data, tmp_path)


def test_goes_on_longer_than_planned(data: Path, tmp_path: Path) -> None:
    run(replace(TINY, epochs=1), data, tmp_path)
    run(TINY, data, tmp_path)
    assert load_checkpoint(tmp_path / "last.safetensors")[2]["epochs"] == 2


def test_refuses_a_folder_in_use(data: Path, tmp_path: Path) -> None:
    lock = claim(tmp_path)
    with pytest.raises(InputError, match="another run is writing into"):
        run(TINY, data, tmp_path)
    lock.release()
    claim(tmp_path).release()


def test_refuses_a_small_disk(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(start.shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(InputError, match="has 1 MB free, the checkpoints need"):
        run(TINY, data, tmp_path)


def test_a_full_disk_leaves_the_previous_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    checkpoints = WholeCheckpoints()
    checkpoints.save_checkpoint({"epoch": 1}, path)
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(InputError, match="cannot write"):
            checkpoints.save_checkpoint({"weights": torch.zeros(10**6)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_stops_where_the_loss_is_no_number(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = PoseTraining._compare

    def diverging(self: PoseTraining, *maps: Any) -> torch.Tensor:
        loss = compare(self, *maps)
        return loss * float("nan") if self.global_step == 3 else loss

    monkeypatch.setattr(PoseTraining, "_compare", diverging)
    with pytest.raises(InputError, match=r"the loss became nan in step 3 of epoch 2, on .*\.jpg"):
        run(TINY, data, tmp_path)
    model, _, record = load_checkpoint(tmp_path / "last.safetensors")
    assert record["epochs"] == 1
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert json.loads(state["recipe"])["epochs"] == 2


def test_a_student_gets_the_teachers_token(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers")
    from mvpose.models.vitpose import VIT, VitSize

    monkeypatch.setitem(VIT, "b", VitSize(width=48, depth=1, heads=4))
    spec = zoo_spec("vitpose-b-simple")
    teacher = tmp_path / "teacher.safetensors"
    save_checkpoint(teacher, build_network(spec.network).state_dict(), spec)
    recipe = replace(
        TINY,
        model="vitpose-b-simple",
        stages=(Stage(0, 192, 256, 4),),
        distillation=Distillation((TeacherSource(str(teacher)),), token_steps=2),
    )
    checkpoint = run(replace(recipe, epochs=1), data, tmp_path / "student")
    token = weights(checkpoint)["knowledge_token"]
    assert token.shape == (1, 1, 48)
    resumed = weights(run(recipe, data, tmp_path / "student"))["knowledge_token"]
    torch.testing.assert_close(resumed, token)
    with pytest.raises(InputError, match="only a ViTPose"):
        run(replace(recipe, model="mobilevitpose-xxs"), data, tmp_path / "other")


def test_learns_from_a_teacher(data: Path, tmp_path: Path) -> None:
    teacher = run(replace(TINY, seed=3), data, tmp_path / "teacher")
    alone = run(TINY, data, tmp_path / "alone")
    taught = replace(TINY, distillation=Distillation((TeacherSource(str(teacher)),), peak_floor=0))
    student = run(taught, data, tmp_path / "student")
    assert not torch.equal(
        weights(alone)["backbone.stem.conv.weight"], weights(student)["backbone.stem.conv.weight"]
    )


def test_weight_decay_spares_norms_and_biases() -> None:
    model = build_network(zoo_spec("mobilevitpose-xxs").network)
    spared = parameter_groups(model, 0.1, decay_norms=False)
    assert [group["weight_decay"] for group in spared] == [0.1, 0.0]
    assert {p.ndim for p in spared[1]["params"]} == {1}
    assert min(p.ndim for p in spared[0]["params"]) == 2
    assert [g["weight_decay"] for g in parameter_groups(model, 0.1, decay_norms=True)] == [0.1, 0.1]


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
