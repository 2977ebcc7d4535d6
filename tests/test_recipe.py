"""Recipes: what is read, what is refused and with which advice; every shipped one is whole."""

from pathlib import Path

import pytest

pytest.importorskip("yaml")

from mvpose.errors import InputError
from mvpose.training.recipe import (
    SHIPPED,
    Source,
    TrainRecipe,
    differences,
    find_recipe,
    read_recipe,
)
from mvpose.zoo import zoo_spec

RECIPE = """
model: mobilevitpose-xxs
sources: [{folder: a, weight: 2}]
epochs: 4
samples_per_epoch: 100
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(RECIPE + "learning_rat: 1\n", "did you mean learning_rate", id="near"),
        pytest.param(RECIPE + "augmentation: {rotation: 1}\n", "rotation_deg", id="near, nested"),
        pytest.param(RECIPE + "qqqq: 1\n", "qqqq", id="unknown field"),
        pytest.param(RECIPE + "learning_rate: fast\n", "learning_rate", id="no number"),
        pytest.param(RECIPE + "learning_rate: -1\n", "learning_rate", id="negative"),
        pytest.param(RECIPE + "ema_decay: 1.0\n", "ema_decay", id="decay of 1"),
        pytest.param(RECIPE + "loss: l7\n", "loss", id="unknown loss"),
        pytest.param(RECIPE + "stages: [{input_width_px: 100}]\n", "multiple of 32", id="size"),
        pytest.param(RECIPE + "augmentation: {flip: 2}\n", "augmentation.flip", id="chance of 2"),
        pytest.param(RECIPE.replace("epochs: 4\n", "", 1), "epochs", id="no epochs"),
        pytest.param(RECIPE + "stages: [{from_epoch: 3}]\n", "begin with epoch 0", id="late start"),
        pytest.param(
            RECIPE + "stages: [{from_epoch: 0}, {from_epoch: 3}, {from_epoch: 2}]\n",
            "go on in order",
            id="stages out of order",
        ),
        pytest.param(
            RECIPE + "stages: [{from_epoch: 0}, {from_epoch: 4}]\n", "of 4", id="stage too late"
        ),
        pytest.param(RECIPE + "stages: []\n", "begin with epoch 0", id="no stages"),
        pytest.param(RECIPE + "validate_every_epochs: 3\n", "must divide", id="last not validated"),
        pytest.param("model: [\n", "cannot read", id="no YAML"),
        pytest.param("", "recipe.yaml", id="empty"),
    ],
)
def test_refuses(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_recipe(path)


def test_reads(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    recipe = read_recipe(path)
    assert recipe.sources == (Source("a", "train", 2.0),)
    assert TrainRecipe.from_json(recipe.to_json()) == recipe


def test_changes(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    recipe = read_recipe(path, ("epochs=7", "augmentation={flip: 0}", "pretrained=true"))
    assert (recipe.epochs, recipe.augmentation.flip, recipe.pretrained) == (7, 0, True)
    with pytest.raises(InputError, match="field=value"):
        read_recipe(path, ("epochs",))
    with pytest.raises(InputError, match="did you mean epochs"):
        read_recipe(path, ("epoch=7",))


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped(path: Path) -> None:
    recipe = read_recipe(find_recipe(path.stem))
    assert recipe.about.source
    assert recipe.about.gpu_hours
    spec = zoo_spec(recipe.model)
    final = recipe.preprocess(recipe.epochs - 1, spec.preprocess)
    small = path.stem.endswith(("trial", "ablation"))
    assert (final.input_height_px < 256) == small


@pytest.mark.parametrize("size", ["s", "xs", "xxs"])
def test_the_papers_recipe(size: str) -> None:
    recipe = read_recipe(find_recipe(f"mobilevitpose-{size}-coco"))
    stage, augmentation = recipe.stage(0), recipe.augmentation
    assert (stage.input_width_px, stage.input_height_px, stage.sigma_cells) == (256, 256, 2)
    assert (recipe.learning_rate, recipe.epochs, recipe.milestones) == (5e-4, 210, (170, 200))
    assert (stage.loss, recipe.schedule, recipe.pretrained) == ("mse", "steps", True)
    assert (augmentation.scale, augmentation.rotation_deg) == (0.5, 40)
    assert augmentation.flip > 0
    assert augmentation.half_body > 0


def test_unknown_name() -> None:
    with pytest.raises(InputError, match="mobilevitpose-s-coco"):
        find_recipe("mobilevitpose-z")


def test_differences() -> None:
    old = {"a": 1, "b": {"c": 2, "d": [1]}}
    new = {"a": 1, "b": {"c": 3, "d": [1]}, "e": None}
    assert differences(old, new) == ["b.c: 2 -> 3"]
    assert differences(old, old) == []
