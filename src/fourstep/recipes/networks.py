"""From a recipe's settings to its network, which is as wide as its data: K classes, C channels."""

from collections.abc import Callable
from typing import Any

from torch import nn

from fourstep import models
from fourstep.data.encoding import Encoding
from fourstep.data.folders.encoding import ImageEncoding
from fourstep.errors import ConfigError, UnknownNameError
from fourstep.recipes.settings import TABLE, Recipe

TRUE_WEIGHTS, TRUE_BIAS = (2.0, -3.4), 4.2  # the plane that the linear recipe has to find

_NETWORKS: dict[str, Callable[[Recipe, int, int], nn.Module]] = {
    "linear": lambda _, __, ___: models.LinearRegression(len(TRUE_WEIGHTS)),
    "softmax": lambda recipe, classes, channels: models.SoftmaxRegression(channels * recipe.resize**2, classes),
    "mlp": lambda recipe, classes, channels: models.MLP(
        channels * recipe.resize**2, recipe.hidden, classes, recipe.dropout
    ),
    "dropout": lambda recipe, classes, channels: models.MLP(
        channels * recipe.resize**2, recipe.hidden, classes, recipe.dropout
    ),
    "lenet": lambda recipe, classes, channels: models.LeNet(classes, channels, recipe.resize),
    "alexnet": lambda recipe, classes, channels: models.AlexNet(classes, channels, recipe.resize),
    "vgg": lambda recipe, classes, channels: models.VGG(
        classes, channels, image_size=recipe.resize, ratio=recipe.ratio
    ),
    "nin": lambda recipe, classes, channels: models.NiN(classes, channels, recipe.resize),
    "googlenet": lambda _, classes, channels: models.GoogLeNet(classes, channels),
    "batchnorm-lenet": lambda recipe, classes, channels: models.BatchNormLeNet(
        classes, channels, image_size=recipe.resize, scratch=recipe.scratch
    ),
    "resnet": lambda _, classes, channels: models.ResNet18(classes, channels),
    "densenet": lambda recipe, classes, channels: models.DenseNet(classes, channels, recipe.resize),
}

_SMALLEST = {"googlenet": 8, "resnet": 8}  # pixels, of networks that would take a single one without a word


def make_model(recipe: Recipe, num_classes: int, encoding: Encoding | None = None) -> nn.Module:
    """The recipe's model, its weights drawn from torch's global generator.

    Args:
        recipe: which, and its widths.
        num_classes: K; not looked at where targets are no classes.
        encoding: of the user's own data, which says how many channels or columns there are.

    Raises:
        UnknownNameError: there is no such model.
        ConfigError: a setting that it cannot have.
    """
    if recipe.model == TABLE:
        return _make_table_net(recipe, encoding)
    if recipe.model not in _NETWORKS:
        raise UnknownNameError.of("recipe", recipe.model, _NETWORKS)
    least = _SMALLEST.get(recipe.model, 1)
    if recipe.resize < least:
        why = ", as it halves their sides five times" if least > 1 else ""
        raise ConfigError(f"resize {recipe.resize}: {recipe.model} takes images of {least} pixels or more{why}")
    channels = encoding.input_shape[0] if isinstance(encoding, ImageEncoding) else 1
    try:
        return _NETWORKS[recipe.model](recipe, num_classes, channels)
    except ValueError as error:  # the model says which of its settings is out of range
        raise ConfigError(str(error).replace("image_size", "resize")) from error  # the setting's name here
    except (RuntimeError, TypeError, MemoryError) as error:  # torch's, by how far it is too large
        widths = f" and hidden={recipe.hidden}" if recipe.model in ("mlp", "dropout") else ""
        raise ConfigError(
            f"{recipe.model} with resize={recipe.resize}{widths} does not fit into the memory: choose less"
        ) from error


def _make_table_net(recipe: Recipe, encoding: Any) -> nn.Module:
    assert encoding is not None, "from_table gives one"  # noqa: S101 - our own bug
    if len(recipe.dropout) > 1:
        raise ConfigError(
            f"dropout={recipe.dropout}: expected one probability, for all hidden layers of a table's network"
        )
    try:
        return models.TableNet(**encoding.network_sizes(), hidden=recipe.hidden, dropout=float(sum(recipe.dropout)))
    except ValueError as error:  # the model says which of its settings is out of range
        raise ConfigError(str(error)) from error
