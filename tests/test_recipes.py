"""Recipes: settings that can be read and changed, and the objects that they make."""

from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
import torch
from torch import nn

import fourstep as fs
from fourstep.recipes import (
    Recipe,
    from_settings,
    load_recipe,
    make_parts,
    recipe_for,
    recipe_names,
    train,
    with_settings,
)
from fourstep.recipes.networks import make_model


def small(name: str) -> Recipe:
    """A recipe of one epoch."""
    return replace(recipe_for(name), epochs=1)


QUICK = ("linear", "softmax", "mlp", "dropout", "lenet", "batchnorm-lenet")


@pytest.mark.parametrize("name", QUICK)
def test_every_recipe_trains_and_repeats_itself_to_the_bit(name: str) -> None:
    """The same recipe, the same weights and numbers; another seed, others."""
    found = []
    for seed in (0, 0, 1):
        run = train(replace(small(name), seed=seed), show="none")
        numbers = {key: value for key, value in run.history.rows[-1].items() if "/" in key}
        found.append((numbers, torch.cat([weight.flatten() for weight in run.model.state_dict().values()])))

    assert found[0][0] == found[1][0] != found[2][0]
    assert torch.equal(found[0][1], found[1][1])


@pytest.mark.parametrize("name", [name for name in recipe_names() if name not in QUICK])
def test_a_large_recipe_takes_a_step_and_repeats_it_to_the_bit(name: str) -> None:
    """Its images fit its network; the same recipe, the same weights after an update."""
    found = []
    for _ in range(2):
        model, data, loss_fn, optimizer = make_parts(recipe_for(name))
        inputs, targets = next(iter(data.train))
        fs.train_step(model, loss_fn, optimizer, [(inputs[:4], targets[:4])])
        found.append(torch.cat([weight.flatten() for weight in model.state_dict().values()]))

    assert torch.equal(*found)
    assert torch.isfinite(found[0]).all()


def test_images_that_are_too_small_are_said_by_the_settings_name() -> None:
    """And not by that of the model's argument."""
    with pytest.raises(fs.ConfigError, match="resize 8: VGG needs images of 32 pixels or more a side"):
        make_parts(replace(recipe_for("vgg"), resize=8))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in recipe_names() if name not in ("linear", "softmax")])
def test_every_recipe_learns_the_digits(name: str) -> None:
    """As it stands, to more than 90 % test accuracy."""
    assert train(recipe_for(name), show="none").history.rows[-1]["test/accuracy"] > 0.9


@pytest.mark.parametrize(
    ("name", "settings"),
    [  # batch size, learning rate, image size, of *Dive into Deep Learning*, chapters 3, 4, 6 and 7
        ("softmax", (256, 0.1, 28)),
        ("mlp", (256, 0.1, 28)),
        ("dropout", (256, 0.5, 28)),
        ("lenet", (256, 0.9, 28)),
        ("alexnet", (128, 0.01, 224)),
        ("vgg", (128, 0.05, 224)),
        ("nin", (128, 0.1, 224)),
        ("googlenet", (128, 0.1, 96)),
        ("batchnorm-lenet", (256, 1.0, 28)),
        ("resnet", (256, 0.05, 96)),
        ("densenet", (256, 0.1, 96)),
    ],
)
def test_fashion_mnist_is_trained_on_as_in_the_book(name: str, settings: tuple[int, float, int]) -> None:
    """Ten epochs of plain gradient descent, five rows of running numbers in each where the book draws them."""
    recipe = recipe_for(name, "fashion-mnist")

    assert (recipe.batch_size, recipe.lr, recipe.resize) == settings
    assert (recipe.epochs, recipe.optimizer, recipe.momentum, recipe.weight_decay) == (10, "sgd", 0, 0)
    assert recipe.log_every in (0, -(-60_000 // recipe.batch_size) // 5)


def test_the_networks_have_the_settings_that_are_theirs() -> None:
    """Dropout, the divisor of the channels, the layer that is written out."""
    dropout = make_model(recipe_for("dropout"), 10)
    vgg = make_model(recipe_for("vgg"), 10)
    scratch = make_model(with_settings(recipe_for("batchnorm-lenet"), {"scratch": "true"}), 10)

    assert [module.p for module in dropout.modules() if isinstance(module, nn.Dropout)] == [0.2, 0.5]
    assert vgg.state_dict()["features.0.0.weight"].shape == (16, 1, 3, 3)
    assert any(isinstance(module, fs.models.BatchNorm) for module in scratch.modules())


def test_a_recipe_is_fit_with_its_parts() -> None:
    """`train` adds nothing to what `make_parts` and `fit` do."""
    recipe = small("mlp")
    model, data, loss_fn, optimizer = make_parts(recipe)
    fs.fit(model, data, loss_fn, optimizer, epochs=1, show="none")
    trained = train(recipe, show="none").model

    for name, weight in trained.state_dict().items():
        assert torch.equal(weight, model.state_dict()[name])


def test_the_linear_recipe_finds_the_plane() -> None:
    """The weights that made the data are found within its noise."""
    model = train(recipe_for("linear"), show="none").model
    weight, bias = list(model.parameters())

    torch.testing.assert_close(weight.detach(), torch.tensor([[2.0, -3.4]]), atol=2e-3, rtol=0)
    torch.testing.assert_close(bias.detach(), torch.tensor([4.2]), atol=2e-3, rtol=0)


def test_the_first_recipe_shows_learning() -> None:
    """LeNet on the digits ends at 97 % test accuracy or more."""
    run = train(recipe_for("lenet"), show="none")
    assert run.history.rows[-1]["test/accuracy"] >= 0.97


def test_settings_are_read_by_their_types() -> None:
    """Text, as from a command line, becomes what the recipe holds."""
    text = {"epochs": "3", "lr": "0.5", "standardize": "false", "hidden": "64,32", "optimizer": "adamw"}
    recipe = with_settings(recipe_for("mlp"), text)
    assert (recipe.epochs, recipe.lr, recipe.standardize, recipe.hidden) == (3, 0.5, False, (64, 32))
    assert from_settings(asdict(recipe)) == recipe
    assert with_settings(recipe, {"hidden": "8, 8", "dropout": "0.1, 0.2"}).dropout == (0.1, 0.2)
    assert with_settings(recipe_for("dropout"), {"dropout": ""}).dropout == ()
    assert with_settings(recipe, {"dropout": [0, 0.5]}).dropout == (0.0, 0.5)
    assert with_settings(recipe_for("batchnorm-lenet"), {"scratch": "true"}).scratch
    assert with_settings(recipe_for("vgg"), {"ratio": "2"}).ratio == 2


def test_a_file_of_settings_makes_a_recipe(tmp_path: Path) -> None:
    """What a file leaves out is as in the recipe of its model."""
    path = tmp_path / "mine.toml"
    path.write_text('model = "mlp"\nhidden = [32]\nlr = 0.1\n', encoding="utf-8")
    assert from_settings(load_recipe(path)) == replace(recipe_for("mlp"), hidden=(32,), lr=0.1)


def test_a_run_s_own_settings_make_its_recipe_again(tmp_path: Path) -> None:
    """`run.toml` is a recipe."""
    recipe = small("softmax")
    train(recipe, folder=tmp_path / "run", show="none")
    assert from_settings(load_recipe(tmp_path / "run" / "run.toml")) == recipe


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: recipe_for("lennet"), fs.UnknownNameError, "unknown recipe 'lennet': did you mean 'lenet'"),
        (lambda: recipe_for("lenet", "digit"), fs.UnknownNameError, "unknown data set 'digit': did you mean 'digits'"),
        (
            lambda: recipe_for("linear", "digits"),
            fs.ConfigError,
            "recipe 'linear' cannot train on 'digits': it trains on synthetic",
        ),
        (lambda: with_settings(small("mlp"), {"epoch": 1}), fs.UnknownNameError, "did you mean 'epochs'"),
        (lambda: with_settings(small("mlp"), {"epochs": 1.5}), fs.ConfigError, "epochs=1.5: expected a whole number"),
        (lambda: with_settings(small("mlp"), {"lr": "high"}), fs.ConfigError, "lr='high': expected a number"),
        (lambda: with_settings(small("mlp"), {"lr": 10**400}), fs.ConfigError, "lr=10.*: expected a number"),
        (lambda: with_settings(small("mlp"), {"standardize": "maybe"}), fs.ConfigError, "expected true or false"),
        (
            lambda: with_settings(small("mlp"), {"hidden": "a,b"}),
            fs.ConfigError,
            "expected whole numbers, like 256,128",
        ),
        (lambda: with_settings(small("mlp"), {"hidden": [64.0]}), fs.ConfigError, "expected whole numbers, like 256"),
        (lambda: with_settings(small("mlp"), {"dropout": "a"}), fs.ConfigError, "expected numbers, like 0.2,0.5"),
        (lambda: with_settings(small("mlp"), {"size": 28}), fs.UnknownNameError, "did you mean 'resize'"),
        (lambda: make_parts(replace(small("vgg"), ratio=0)), fs.ConfigError, "ratio 0: expected 1 to 64"),
        (lambda: make_parts(replace(small("dropout"), dropout=(0.5,))), fs.ConfigError, "one probability per hidden"),
        (lambda: make_parts(replace(small("mlp"), resize=0)), fs.ConfigError, "resize 0: expected a whole number of 1"),
        (lambda: from_settings({"lr": 1.0}), fs.ConfigError, "no model in the recipe's settings"),
        (lambda: train(replace(small("mlp"), optimizer="adamm")), fs.UnknownNameError, "unknown optimizer 'adamm'"),
        (lambda: train(replace(small("mlp"), lr=-1.0)), fs.ConfigError, "adam refused its settings"),
        (lambda: train(replace(small("lenet"), resize=8)), fs.ConfigError, "LeNet needs images of 12 pixels or more"),
        (lambda: train(replace(small("mlp"), resize=10**30)), fs.ConfigError, "images of this size do not fit"),
        (lambda: make_model(replace(small("mlp"), hidden=(10**12, 10**12)), 10), fs.ConfigError, "does not fit"),
        (
            lambda: make_model(replace(small("softmax"), resize=10**9), 10),
            fs.ConfigError,
            "does not fit into the memory",
        ),
        (
            lambda: make_model(replace(small("softmax"), resize=10**30), 10),
            fs.ConfigError,
            "does not fit into the memory",
        ),
        (lambda: make_model(replace(small("softmax"), resize=-5), 10), fs.ConfigError, "resize -5: softmax takes"),
        (lambda: train(replace(small("mlp"), precision="int8")), fs.ConfigError, "precision 'int8' is unknown"),
        (lambda: load_recipe("nowhere.toml"), fs.DataFileError, "nowhere.toml: there is no such file"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(
    act: Callable[[], object], error: type[Exception], message: str
) -> None:
    """Each mistake has its own message."""
    with pytest.raises(error, match=message) as caught:
        act()
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    """With the place where it breaks."""
    path = tmp_path / "bad.toml"
    path.write_text("lr = = 1", encoding="utf-8")
    with pytest.raises(fs.DataFileError, match=r"bad\.toml: .*line 1.*Expected a TOML file"):
        load_recipe(path)


def test_every_setting_is_documented() -> None:
    """The recipe's docstring says what each is."""
    assert [field.name for field in fields(Recipe) if f"{field.name}:" not in (Recipe.__doc__ or "")] == []


@pytest.mark.parametrize("model", [fs.models.LeNet(), fs.models.MLP(), fs.models.SoftmaxRegression()])
def test_the_book_s_models_take_its_images(model: nn.Module) -> None:
    """28 x 28 pixels to ten logits; LeNet's parameters are those of the book's layers."""
    assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_lenet_starts_as_the_book_has_it() -> None:
    """Weights uniform within Glorot's bound, 61,706 parameters in all."""
    model = fs.models.LeNet()
    layers = [module for module in model.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    for layer in layers:
        receptive = layer.weight[0, 0].numel() if layer.weight.dim() > 2 else 1
        bound = (6 / ((layer.weight.shape[0] + layer.weight.shape[1]) * receptive)) ** 0.5
        assert 0.9 * bound < layer.weight.abs().max().item() <= bound
    assert sum(parameter.numel() for parameter in model.parameters()) == 156 + 2416 + 48120 + 10164 + 850


def test_images_that_do_not_fit_into_the_memory_are_refused() -> None:
    """One line in place of torch's."""
    with pytest.raises(fs.ConfigError, match="resize 1,000,000: images of this size do not fit into the memory"):
        make_parts(from_settings({"model": "softmax", "resize": 1_000_000}))


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("linear", {"resize": "64"}, r"resize=64: the data is synthetic, which has no images"),
        ("linear", {"standardize": "true"}, r"standardize=True: the data is synthetic"),
        ("resnet", {"ratio": "2"}, r"ratio=2: resnet does not use it, but vgg"),
        ("lenet", {"scratch": "true"}, r"scratch=True: lenet does not use it, but batchnorm-lenet"),
        ("softmax", {"hidden": "64,32"}, r"hidden=\(64, 32\): softmax does not use it, but mlp, dropout and table"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(name: str, settings: dict[str, str], said: str) -> None:
    """Else a reader believes that it was used, and the run's record says so; its own default may be given."""
    with pytest.raises(fs.ConfigError, match=said):
        with_settings(recipe_for(name), settings)
    recipe = recipe_for(name)
    assert with_settings(recipe, asdict(recipe)) == recipe


@pytest.mark.parametrize("name", ["resnet", "googlenet"])
def test_images_of_a_few_pixels_are_refused(name: str) -> None:
    """The networks would take them, and could learn nothing."""
    recipe = recipe_for(name)
    with pytest.raises(fs.ConfigError, match=rf"resize 7: {name} takes images of 8 pixels or more"):
        make_model(replace(recipe, resize=7), 10)
    make_model(replace(recipe, resize=8), 10)


def test_a_layer_s_own_normalisation_trains_in_mixed_precision() -> None:
    """`scratch` and `precision` together, as torch's layers do."""
    recipe = replace(recipe_for("batchnorm-lenet"), epochs=1, precision="bf16")
    losses = [
        train(replace(recipe, scratch=scratch), show="none").history.rows[-1]["train/loss"] for scratch in (False, True)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
