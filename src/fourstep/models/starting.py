"""What the families share: how weights start, and which images are too small."""

from torch import nn


def start_uniform(model: nn.Module) -> None:
    """Give every linear and convolutional layer the uniform weights of Glorot and Bengio 2010; biases stay torch's.

    The book's `train_ch6` starts its networks so. The draws are from torch's global generator, layer by layer in the
    order of the modules, so that under one seed both give the same bits.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)


def check_size(name: str, image_size: int, smallest: int) -> None:
    """Refuse images of which nothing would be left.

    Raises:
        ValueError: `image_size` is below `smallest`.
    """
    if image_size < smallest:
        raise ValueError(f"image_size {image_size}: {name} needs images of {smallest} pixels or more a side")
