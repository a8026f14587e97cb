"""Pictures of images."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fourstep import d2l
from fourstep.errors import ConfigError, ShapeError


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """No figure is left open."""
    yield
    d2l.plt.close("all")


def titles() -> list[str]:
    """Those of the last figure, in order."""
    return [axes.get_title() for axes in d2l.plt.gcf().axes]


def drawn(axes: Any) -> Any:
    """The pixels that matplotlib was given."""
    return axes.get_images()[0].get_array()


def test_show_images_draws_a_grid() -> None:
    """Row by row, without ticks, in the size asked for; empty places stay empty."""
    images = torch.rand(5, 4, 6)
    axes = d2l.show_images(images, 2, 3, titles=["a", "b"], scale=2)

    assert axes.shape == (6,)
    assert tuple(axes[0].figure.get_size_inches()) == (6, 4)
    for axis, image in zip(axes, images, strict=False):
        np.testing.assert_array_equal(drawn(axis), image.numpy())
        assert not axis.xaxis.get_visible()
    assert axes[5].get_images() == []
    assert titles() == ["a", "b", "", "", "", ""]


def test_show_images_of_one_image() -> None:
    """The book's fails on a grid of one."""
    assert d2l.show_images(torch.rand(1, 4, 4), 1, 1).shape == (1,)


@pytest.mark.parametrize("shape", [(5, 7), (1, 5, 7), (5, 7, 1), (3, 5, 7), (5, 7, 3), (4, 5, 7), (3, 5, 3)])
def test_show_images_takes_colours_first_or_last(shape: tuple[int, ...]) -> None:
    """A channel of grey is left out; colours go last."""
    image = torch.rand(shape)
    grey = image.reshape(5, 7) if image.numel() == 35 else None
    expected = image.permute(1, 2, 0) if grey is None and shape[2] == 7 else image

    for given in (image, image.numpy(), image.requires_grad_(), image.bfloat16()):
        pixels = drawn(d2l.show_images([given], 1, 1)[0])
        np.testing.assert_allclose(pixels, (expected if grey is None else grey).detach().numpy(), atol=0.01)


def test_what_is_no_image_is_an_error() -> None:
    """Flat images, two channels, and a grid without places."""
    with pytest.raises(ShapeError, match=r"an image has shape \(784,\): expected \(H, W\), \(H, W, C\) or \(C, H, W\)"):
        d2l.show_images([torch.rand(784)], 1, 1)
    with pytest.raises(ShapeError, match=r"an image has shape \(2, 5, 5\)"):
        d2l.show_images([torch.rand(2, 5, 5)], 1, 1)
    with pytest.raises(ConfigError, match="num_rows 0: expected a whole number of 1 or more"):
        d2l.show_images([], 0, 1)


@pytest.mark.parametrize("n", [1, 6, 100])
def test_predict_ch3_names_truth_and_prediction(images: Any, n: int) -> None:
    """One image, some, or more than the batch has: the true label above the predicted one, the net's mode as it was."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Dropout(0.9))
    batches = d2l.load_array(images.test, 16, is_train=False)
    d2l.predict_ch3(net, batches, n)

    inputs, targets = images.test[0][: min(n, 16)], images.test[1][: min(n, 16)]
    truth = d2l.get_fashion_mnist_labels(targets)
    guesses = d2l.get_fashion_mnist_labels(net[1](net[0](inputs)).argmax(dim=1))
    assert titles() == [f"{true}\n{guess}" for true, guess in zip(truth, guesses, strict=True)]
    np.testing.assert_array_equal(drawn(d2l.plt.gcf().axes[0]), inputs[0, 0].numpy())
    assert net.training
    assert all(parameter.grad is None for parameter in net.parameters())


def test_predict_ch3_of_other_classes_and_flat_images() -> None:
    """Not ten classes: their numbers; a plain function as net; rows of pixels become squares."""

    def net(inputs: Tensor) -> Tensor:
        return inputs[:, :3]

    inputs = torch.rand(4, 36)
    d2l.predict_ch3(net, [(inputs, torch.tensor([2, 0, 1, 1]))], n=2)
    assert titles() == [
        f"{true}\n{guess}" for true, guess in zip([2, 0], inputs[:2, :3].argmax(1).tolist(), strict=True)
    ]
    np.testing.assert_array_equal(drawn(d2l.plt.gcf().axes[0]), inputs[0].reshape(6, 6).numpy())
    before = titles()
    d2l.predict_ch3(net, [(inputs, torch.tensor([[2], [0], [1], [1]]))], n=2)  # a column of labels
    assert titles() == before


def test_predict_ch3_says_what_it_cannot_draw() -> None:
    """No image asked for, or none there."""
    with pytest.raises(ConfigError, match="n 0: expected a whole number of 1 or more"):
        d2l.predict_ch3(nn.Identity(), [], n=0)
    with pytest.raises(ShapeError, match=r"net\(X\) has shape \(2,\): expected \(images, classes\)"):
        d2l.predict_ch3(lambda inputs: inputs[:, 0], [(torch.rand(2, 4), torch.zeros(2))])
    with pytest.raises(ShapeError, match=r"an image has shape \(5,\)"):
        d2l.predict_ch3(nn.Identity(), [(torch.rand(2, 5), torch.zeros(2))])


@pytest.mark.gpu
def test_predict_ch3_of_a_net_on_the_gpu(images: Any) -> None:
    """The book's stops on two devices."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).to(d2l.try_gpu())
    d2l.predict_ch3(net, d2l.load_array(images.test, 16, is_train=False))
    assert len(titles()) == 6
