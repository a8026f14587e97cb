"""From a recipe's settings to its network."""

from collections.abc import Callable

from torch import nn

from fourstep import models
from fourstep.errors import ConfigError, UnknownNameError
from fourstep.recipes.settings import Recipe

TRUE_WEIGHTS, TRUE_BIAS = (2.0, -3.4), 4.2  # the plane that the linear recipe has to find

_NETWORKS: dict[str, Callable[[Recipe, int], nn.Module]] = {
    "linear": lambda _, __: models.LinearRegression(len(TRUE_WEIGHTS)),
    "softmax": lambda recipe, classes: models.SoftmaxRegression(recipe.resize**2, classes),
    "mlp": lambda recipe, classes: models.MLP(recipe.resize**2, recipe.hidden, classes, recipe.dropout),
    "dropout": lambda recipe, classes: models.MLP(recipe.resize**2, recipe.hidden, classes, recipe.dropout),
    "lenet": lambda recipe, classes: models.LeNet(classes, image_size=recipe.resize),
    "alexnet": lambda recipe, classes: models.AlexNet(classes, image_size=recipe.resize),
    "vgg": lambda recipe, classes: models.VGG(classes, image_size=recipe.resize, ratio=recipe.ratio),
    "nin": lambda recipe, classes: models.NiN(classes, image_size=recipe.resize),
    "googlenet": lambda _, classes: models.GoogLeNet(classes),
    "batchnorm-lenet": lambda recipe, classes: models.BatchNormLeNet(
        classes, image_size=recipe.resize, scratch=recipe.scratch
    ),
    "resnet": lambda _, classes: models.ResNet18(classes),
    "densenet": lambda recipe, classes: models.DenseNet(classes, image_size=recipe.resize),
}

_SMALLEST = {"googlenet": 8, "resnet": 8}  # pixels, of networks that would take a single one without a word


def make_model(recipe: Recipe, num_classes: int) -> nn.Module:
    """The recipe's model, its weights drawn from torch's global generator.

    Raises:
        UnknownNameError: there is no such model.
        ConfigError: a setting that it cannot have.
    """
    if recipe.model not in _NETWORKS:
        raise UnknownNameError.of("recipe", recipe.model, _NETWORKS)
    if recipe.resize < _SMALLEST.get(recipe.model, 1):
        raise ConfigError(
            f"resize {recipe.resize}: {recipe.model} takes images of {_SMALLEST[recipe.model]} pixels or more, as "
            "it halves their sides five times"
        )
    try:
        return _NETWORKS[recipe.model](recipe, num_classes)
    except ValueError as error:  # the model says which of its settings is out of range
        raise ConfigError(str(error).replace("image_size", "resize")) from error  # the setting's name here
    except (RuntimeError, TypeError, MemoryError) as error:  # torch's, by how far it is too large
        widths = f" and hidden={recipe.hidden}" if recipe.model in ("mlp", "dropout") else ""
        raise ConfigError(
            f"{recipe.model} with resize={recipe.resize}{widths} does not fit into the memory: choose less"
        ) from error
