"""QAT learns, stops and goes on; checkpoints hold what was trained; bad input is refused."""

import signal
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

pytest.importorskip("lightning")

from mvpose.checkpoint import read_safetensors, save_checkpoint
from mvpose.errors import InputError
from mvpose.models.build import build_network
from mvpose.models.deploy import deploy
from mvpose.quantize import qat_checkpoint
from mvpose.quantize.calibration import drawn_crops
from mvpose.quantize.network import QuantGraph, capture
from mvpose.quantize.plan import Plan
from mvpose.quantize.qat import train_quantised
from mvpose.quantize.qat_checkpoint import load_qat, load_trained, rounded_weights, save_qat
from mvpose.quantize.qat_module import QatTraining, RangeAdam
from mvpose.quantize.qat_recipe import SHIPPED, QatRecipe, read_qat_recipe
from mvpose.quantize.ranges import measure_ranges, to_batch
from mvpose.quantize.recipes import RECIPES
from mvpose.quantize.simulate import QuantNet
from mvpose.runtime.load import load_float
from mvpose.runtime.torch_runtime import TorchRuntime
from mvpose.spec import ModelSpec
from mvpose.training.run import Machine
from mvpose.zoo import zoo_spec

TINY = QatRecipe(
    epochs=2,
    samples_per_epoch=8,
    batch_size=4,
    calibration_crops=4,
    warmup_steps=1,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def graph(float_runtime: TorchRuntime) -> QuantGraph:
    preprocess = float_runtime.spec.preprocess
    return capture(deploy(float_runtime.model, preprocess), preprocess)


@pytest.fixture(scope="module")
def crops(small_spec: ModelSpec) -> torch.Tensor:
    return to_batch(drawn_crops(small_spec, 4, seed=0))


@pytest.fixture
def net(graph: QuantGraph, small_spec: ModelSpec) -> QuantNet:
    net = QuantNet(graph)
    net.set_ranges(measure_ranges(graph, drawn_crops(small_spec, 4, seed=0)))
    return net.eval()


@pytest.fixture(scope="module")
def straight(data: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing stopped."""
    return run(TINY, checkpoint, data, tmp_path_factory.mktemp("straight")).parent


def run(recipe: QatRecipe, model: Path, data: Path, out: Path, **options: Any) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        machine = Machine(workers=0, devices="1", accelerator="cpu")
        options = {"validation": (data, "val"), **options}
        return train_quantised(recipe, str(model), data, out, machine=machine, **options)


def test_trains(straight: Path, net: QuantNet, small_spec: ModelSpec) -> None:
    trained, spec, facts = load_qat(straight / "last.safetensors")
    assert spec == small_spec
    assert facts["quantisation"] == "static_wi8_ai8"
    assert facts["model"]["file"] == "small.safetensors"
    assert facts["calibration"]["count"] == 4
    training = facts["training"]
    assert (training["epochs"], training["samples"]) == (2, 16)
    assert training["recipe"]["checkpoint_sha256"] == facts["model"]["sha256"]
    assert 0 <= facts["float_ap"] <= 1 and 0 <= facts["calibrated_ap"] <= 1
    scales = [scale for scale, _ in trained.qparams().values()]
    assert sum(a != b for a, (b, _) in zip(scales, net.qparams().values(), strict=True)) > 100
    assert not torch.equal(
        trained.body.get_parameter("stem.0.weight"), net.body.get_parameter("stem.0.weight")
    )
    assert (straight / "best.safetensors").is_file()


def test_a_stopped_run_ends_as_one_that_was_not(
    straight: Path,
    data: Path,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    step = QatTraining.training_step
    handler = signal.getsignal(signal.SIGINT)

    def interrupted(self: QatTraining, *batch: Any) -> torch.Tensor:
        if self.global_step == 3:
            raise KeyboardInterrupt
        return step(self, *batch)

    monkeypatch.setattr(QatTraining, "training_step", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(TINY, checkpoint, data, tmp_path)
    finally:
        signal.signal(signal.SIGINT, handler)
    monkeypatch.undo()
    with pytest.raises(InputError, match=r"range_rate: 0\.0003 -> 0\.1"):
        run(replace(TINY, range_rate=0.1), checkpoint, data, tmp_path)
    run(TINY, checkpoint, data, tmp_path)
    assert "after epoch 1 of 2" in capsys.readouterr().out
    expected = load_file(straight / "last.safetensors")
    found = load_file(tmp_path / "last.safetensors")
    assert found.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())


@pytest.mark.parametrize("zero_points", [True, False], ids=["zero points too", "scales alone"])
def test_comes_nearer_to_the_float_network(
    net: QuantNet, small_spec: ModelSpec, crops: torch.Tensor, zero_points: bool
) -> None:
    with torch.no_grad():
        goal = net.graph.module(crops)
        before = (net(crops) - goal).square().mean()
    zeros = [zero for _, zero in net.qparams().values()]
    recipe = replace(TINY, learn_zero_points=zero_points)
    optimizer = module(net, recipe, small_spec).optimizer()
    net.train()
    for _ in range(8):
        optimizer.zero_grad()
        torch.autograd.backward((net(crops) - goal).square().mean())
        optimizer.step()
    net.eval()
    with torch.no_grad():
        assert (net(crops) - goal).square().mean() < 0.7 * before
    moved = [zero for _, zero in net.qparams().values()] != zeros
    assert moved == zero_points


def test_leaves_constants_and_fixed_ranges_alone(net: QuantNet, small_spec: ModelSpec) -> None:
    module(net, TINY, small_spec)
    trained = {name for name, p in net.named_parameters() if p.requires_grad}
    fixed = {name for name, _ in net.named_parameters()} - trained
    norms = {f"body.{net.graph.path[n]}" for n in net.graph.group("normalisation")}
    assert {name for name in fixed if "activations" not in name} == {
        f"{norm}.{part}" for norm in norms for part in ("weight", "bias")
    }
    assert {name.split(".")[2] for name in fixed if name.endswith(".scale")} == {
        name for name, quantizer in net.activations.items() if quantizer.fixed
    }
    assert {name.split(".")[2] for name in fixed if name.endswith(".zero_point")} >= {
        *net.graph.symmetric
    }


def test_gradient_where_a_variance_rounds_to_zero(
    net: QuantNet, small_spec: ModelSpec, crops: torch.Tensor
) -> None:
    module(net, TINY, small_spec)
    roots = [node for node in net.graph.module.graph.nodes if "rsqrt" in str(node.target)]
    for root in roots:
        net.activations[net.graph.tensor[root.args[0].name]].set(1e6, -128)
    with torch.no_grad():
        expected = net(crops)
    net.train()
    heatmaps = net(crops)
    torch.testing.assert_close(heatmaps.detach(), expected)
    torch.autograd.backward(heatmaps.sum())
    gradients = [p.grad for p in net.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)


def module(net: QuantNet, recipe: QatRecipe, spec: ModelSpec) -> QatTraining:
    """What trains, without a run around it."""
    return QatTraining(net, TorchRuntime(net, spec), recipe, None, Path(), str, {})


@pytest.mark.parametrize(
    ("kind", "value", "gradient", "moved"),
    [
        pytest.param("scale", 100.0, 3.0, 100 / 1.1, id="large scale"),
        pytest.param("scale", 1e-4, -1e-6, 1.1e-4, id="small scale"),
        pytest.param("zero_point", 5.0, 2.0, 4.9047, id="zero point"),
        pytest.param("zero_point", -128.0, 2.0, -128.0, id="zero point at its limit"),
        pytest.param(None, 5.0, 2.0, 4.9047, id="weight"),
    ],
)
def test_optimizer(kind: str | None, value: float, gradient: float, moved: float) -> None:
    parameter = torch.nn.Parameter(torch.tensor([value]))
    rate = 0.0953102  # log 1.1
    group = {"params": [parameter], "lr": rate, "range": kind}
    parameter.grad = torch.tensor([gradient])
    RangeAdam([group]).step()
    assert parameter.item() == pytest.approx(moved, rel=1e-2 if kind == "scale" else 1e-5)


@pytest.mark.parametrize("quantisation", ["static_wi8_ai8", "static_wi8_ai8_mixed"])
def test_a_checkpoint_computes_what_was_saved(
    net: QuantNet,
    graph: QuantGraph,
    small_spec: ModelSpec,
    crops: torch.Tensor,
    tmp_path: Path,
    quantisation: str,
) -> None:
    if quantisation != "static_wi8_ai8":
        qparams = net.qparams()
        net = QuantNet(graph, Plan(None, graph, {}, {}).float_nodes(RECIPES[quantisation])).eval()
        net.set_qparams(qparams)
    path = tmp_path / "qat.safetensors"
    save_qat(path, net, small_spec, {"quantisation": quantisation, "seen": 7})
    trained = load_trained(path)
    assert trained.spec == small_spec
    assert trained.recipe.name == quantisation
    assert trained.facts == {"quantisation": quantisation, "seen": 7}
    loaded = trained.plan.simulate(trained.recipe)
    assert loaded.qparams() == net.qparams()
    with torch.no_grad():
        torch.testing.assert_close(loaded(crops), net(crops), rtol=0, atol=0)
    weights = rounded_weights(net)
    assert all(torch.equal(t, weights[n]) for n, t in rounded_weights(loaded).items())
    learned = trained.plan.network.state_dict()
    assert all(torch.equal(learned[name], tensor) for name, tensor in weights.items())


@pytest.fixture(scope="module")
def saved(straight: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Header and tensors of a QAT checkpoint."""
    return read_safetensors(straight / "last.safetensors")


@pytest.mark.parametrize(
    ("header", "tensors", "message"),
    [
        pytest.param({"mvpose_qat": None}, {}, "no checkpoint of quantisation-aware", id="foreign"),
        pytest.param({"mvpose_qat": "{}"}, {}, "header of .* is damaged", id="spec"),
        pytest.param({"facts": "{}"}, {}, "header of .* is damaged", id="no recipe"),
        pytest.param({"facts": "["}, {}, "header of .* is damaged", id="no JSON"),
        pytest.param({}, {"stem.0.weight": None}, "does not fit the network", id="no weight"),
        pytest.param(
            {}, {"stem.0.weight": torch.full((16, 3, 3, 3), torch.nan)}, "NaN", id="NaN weight"
        ),
        pytest.param({}, {"scale.image": None}, "scales for other tensors", id="no scale"),
        pytest.param(
            {}, {"scale.other": torch.tensor(1.0)}, "scales for other tensors", id="another scale"
        ),
        pytest.param({}, {"scale.image": torch.tensor(-1.0)}, "a scale of -1", id="negative"),
        pytest.param({}, {"zero_point.image": torch.tensor(0.5)}, "zero point", id="no integer"),
    ],
)
def test_refuses_checkpoints(
    saved: tuple[dict[str, str], dict[str, torch.Tensor]],
    graph: QuantGraph,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    header: dict[str, str | None],
    tensors: dict[str, torch.Tensor | None],
    message: str,
) -> None:
    monkeypatch.setattr(qat_checkpoint, "capture", lambda *_: graph)
    path = tmp_path / "qat.safetensors"
    facts = {k: v for k, v in (saved[0] | header).items() if v is not None}
    save_file({k: v for k, v in (saved[1] | tensors).items() if v is not None}, path, facts)
    with pytest.raises(InputError, match=message):
        load_qat(path)


def test_a_trained_checkpoint_is_no_float_one(straight: Path) -> None:
    with pytest.raises(InputError, match="was trained with rounding") as error:
        load_float(str(straight / "last.safetensors"))
    assert "--qat" in error.value.hint


def test_refuses_half_a_checkpoint(straight: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    path.write_bytes((straight / "last.safetensors").read_bytes()[:5000])
    with pytest.raises(InputError, match="cannot read"):
        load_qat(path)
    with pytest.raises(InputError, match="no such checkpoint"):
        load_qat(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        pytest.param({}, {"validation": (Path("nowhere"), "val")}, "no annotations", id="data"),
        pytest.param({"checkpoint_sha256": "0"}, {}, "begins with another", id="another model"),
        pytest.param({"batch_size": 16}, {}, "has 8 samples, a batch 16", id="no whole batch"),
    ],
)
def test_refuses_before_training(
    checkpoint: Path,
    data: Path,
    tmp_path: Path,
    change: dict[str, Any],
    options: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(InputError, match=message):
        run(replace(TINY, **change), checkpoint, data, tmp_path, **options)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_refuses_other_networks(
    straight: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="was trained with rounding already"):
        run(TINY, straight / "last.safetensors", data, tmp_path)
    pytest.importorskip("transformers")
    from mvpose.models.vitpose import VIT, VitSize

    monkeypatch.setitem(VIT, "b", VitSize(width=48, depth=1, heads=4))
    spec = zoo_spec("vitpose-b-simple")
    path = tmp_path / "vitpose.safetensors"
    save_checkpoint(path, build_network(spec.network).state_dict(), spec)
    with pytest.raises(InputError, match="only MobileViTPose has a deploy form"):
        run(TINY, path, data, tmp_path)


def test_refuses_weights_that_are_no_numbers(
    float_runtime: TorchRuntime, small_spec: ModelSpec, data: Path, tmp_path: Path
) -> None:
    weights = {name: t.clone() for name, t in float_runtime.model.state_dict().items()}
    weights["backbone.stem.bn.running_var"].fill_(-1)
    path = tmp_path / "sick.safetensors"
    save_checkpoint(path, weights, small_spec)
    with pytest.raises(InputError, match="gives NaN on calibration crop"):
        run(TINY, path, data, tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("learning_rat: 1\n", "did you mean learning_rate", id="near"),
        pytest.param("stages: []\n", "qat_recipe.py", id="field of training"),
        pytest.param("quantisation: fp16\n", "quantisation", id="quantisation"),
        pytest.param("sources: []\n", "sources must name", id="no sources"),
        pytest.param("epochs: 3\nvalidate_every_epochs: 2\n", "must divide", id="epochs"),
        pytest.param("calibrator: best\n", "unknown calibrator", id="calibrator"),
        pytest.param("augmentation: {flip: 2}\n", "augmentation.flip", id="augmentation"),
        pytest.param("[\n", "cannot read", id="no YAML"),
    ],
)
def test_refuses_recipes(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_qat_recipe(str(path))


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes(path: Path) -> None:
    recipe = read_qat_recipe(path.stem, ("epochs=3",))
    plan = recipe.training(zoo_spec("mobilevitpose-xxs"))
    assert plan.epochs == 3
    assert plan.sources == recipe.sources
    assert plan.distillation is not None and plan.distillation.share == recipe.float_share


def test_the_default_recipe_ships() -> None:
    assert read_qat_recipe() == read_qat_recipe("qat-coco")
    with pytest.raises(InputError, match="one of: qat-coco, qat-research"):
        read_qat_recipe("qat")
