"""Layers and networks that the book uses again."""

import pytest
import torch
from torch import Tensor, nn

from fourstep.d2l.layers import Residual, corr2d, resnet18
from fourstep.errors import ShapeError


def loop(X: Tensor, K: Tensor) -> Tensor:  # noqa: N803 - the book's names
    """Cross-correlation written out."""
    h, w = K.shape
    Y = torch.zeros(X.shape[0] - h + 1, X.shape[1] - w + 1)  # noqa: N806 - as above
    for i in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            Y[i, j] = (X[i : i + h, j : j + w] * K).sum()
    return Y


@pytest.mark.parametrize("kernel", [(1, 1), (1, 2), (2, 2), (3, 5), (6, 8)])
def test_corr2d_is_the_loop(kernel: tuple[int, int]) -> None:
    """For kernels of any shape up to the matrix's own."""
    X, K = torch.randn(6, 8), torch.randn(kernel)  # noqa: N806 - the book's names
    torch.testing.assert_close(corr2d(X, K), loop(X, K))


def test_corr2d_finds_edges_and_learns() -> None:
    """A kernel (1, -1) marks where black meets white, whole numbers too; gradients reach a kernel that is learnt."""
    X = torch.ones(6, 8)  # noqa: N806 - the book's names
    X[:, 2:6] = 0
    K = torch.tensor([[1, -1]])  # noqa: N806 - the book's names
    learnt = torch.zeros(1, 2, requires_grad=True)
    ((corr2d(X, learnt) - corr2d(X, K)) ** 2).sum().backward()

    assert corr2d(X, K).tolist() == [[0, 1, 0, 0, 0, -1, 0]] * 6
    assert corr2d(X.long(), K).dtype == torch.float32
    assert learnt.grad is not None
    assert learnt.grad.abs().min() > 0


@pytest.mark.parametrize(
    ("image", "kernel", "message"),
    [
        ((1, 6, 8), (1, 2), r"X has shape \(1, 6, 8\) and K \(1, 2\): expected two matrices"),
        ((6, 8), (7, 1), r"K has shape \(7, 1\) and X \(6, 8\): expected a kernel of 1 x 1 up to"),
        ((6, 8), (0, 1), r"K has shape \(0, 1\)"),
    ],
)
def test_corr2d_says_what_does_not_fit(image: tuple[int, ...], kernel: tuple[int, ...], message: str) -> None:
    """Both shapes are named."""
    with pytest.raises(ShapeError, match=message):
        corr2d(torch.ones(image), torch.ones(kernel))


def test_residual_has_the_book_s_signature() -> None:
    """Positional or by name: input channels first, unlike in d2l 1.0."""
    inputs = torch.rand(4, 3, 6, 6)

    assert Residual(3, 3)(inputs).shape == (4, 3, 6, 6)
    assert Residual(3, 6, True, 2)(inputs).shape == (4, 6, 3, 3)
    assert Residual(input_channels=3, num_channels=6, use_1x1conv=True, strides=2)(inputs).shape == (4, 6, 3, 3)


def test_resnet18_has_a_stem_that_keeps_the_size() -> None:
    """Its parts by name, and the shapes between them for 32 x 32 in colour."""
    net = resnet18(10, 3).eval()
    shapes, outputs = {}, torch.rand(2, 3, 32, 32)
    for name, part in net.named_children():
        outputs = part(outputs)
        shapes[name] = tuple(outputs.shape[1:])

    assert shapes["0"] == shapes["2"] == shapes["resnet_block1"] == (64, 32, 32)
    assert [shapes[f"resnet_block{number}"] for number in (2, 3, 4)] == [(128, 16, 16), (256, 8, 8), (512, 4, 4)]
    assert (shapes["global_avg_pool"], shapes["fc"]) == ((512, 1, 1), (10,))
    assert resnet18(num_classes=7)(torch.rand(2, 1, 28, 28)).shape == (2, 7)


def test_resnet18_draws_its_weights_in_the_book_s_order() -> None:
    """Under one seed the first and the last layer are those of a net built layer by layer as the chapter does."""
    net = resnet18(10)
    torch.manual_seed(0)
    stem = nn.Conv2d(1, 64, kernel_size=3, padding=1)
    block = [nn.Conv2d(64, 64, kernel_size=3, padding=1) for _ in range(4)]
    for wide, width in ((64, 128), (128, 256), (256, 512)):
        block += [nn.Conv2d(wide, width, 3), nn.Conv2d(width, width, 3), nn.Conv2d(wide, width, 1)]
        block += [nn.Conv2d(width, width, 3), nn.Conv2d(width, width, 3)]
    last = nn.Linear(512, 10)
    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]

    assert len(convolutions) == 20
    for ours, theirs in zip(convolutions, [stem, *block], strict=True):
        assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(net.get_submodule("fc.1").get_parameter("weight"), last.weight)
