"""Cells in the manner of chapter 5: layers, parameters, files and devices."""

from functools import reduce

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fourstep import d2l


class Settling(nn.Module):
    """A block that mixes by a matrix which is not learnt, and goes through its layer until little is left."""

    def __init__(self, width):
        super().__init__()
        self.layer, self.mixing = nn.Linear(width, width), d2l.eye(width) / 3

    def forward(self, X):
        X = self.layer(X)
        while d2l.abs(X).max() > 0.5:
            X = torch.tanh(self.layer(d2l.matmul(X, self.mixing))) / 4
        return d2l.reduce_mean(X)


def test_5_1_blocks_of_the_readers_own():
    """A module, a container with others in it; the alias for `nn.Module` as their base."""

    class MLP(d2l.nn_Module):
        def __init__(self, *sizes):
            super().__init__()
            self.first, self.last = map(nn.Linear, sizes, sizes[1:])

        def forward(self, X):
            return self.last(F.relu(self.first(X)))

    class Chain(d2l.nn_Module):
        def __init__(self, **blocks):
            super().__init__()
            for name, block in blocks.items():
                self.add_module(name, block)

        def forward(self, X):
            return reduce(lambda so_far, block: block(so_far), self.children(), X)

    X = d2l.rand(2, 12)
    net = Chain(mlp=MLP(12, 16, 8), end=Settling(8))
    assert net.mlp(X).shape == (2, 8)
    assert net(X).shape == ()
    assert abs(net(X).item()) <= 0.5
    assert len(list(net.parameters())) == 6  # the mixing is none


def test_5_2_parameters_are_read_set_and_shared():
    """Names, a nested layer's bias, initialisers by `apply`, one layer that stands twice."""
    twice = nn.Linear(6, 6)
    net = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), twice, nn.Tanh(), twice, nn.Linear(6, 2))
    assert {name: tuple(param.shape) for name, param in net[0].named_parameters()} == {"weight": (6, 3), "bias": (6,)}
    assert net.state_dict()["5.bias"].data.shape == (2,)
    assert net[5].weight.grad is None

    def init_small(m):
        if type(m) == nn.Linear:
            nn.init.uniform_(m.weight, -0.1, 0.1)
            nn.init.constant_(m.bias, 0.5)

    net.apply(init_small)
    net[0].weight.data[:] += 1
    assert net[0].weight.min() >= 0.9
    assert net[5].bias.tolist() == [0.5, 0.5]
    net[2].weight.data[1, 2] = 7
    assert net[4].weight.data[1, 2] == 7
    d2l.reduce_sum(net(d2l.rand(4, 3))).backward()
    assert net[2].weight.grad is net[4].weight.grad


def test_5_4_layers_of_the_readers_own_train():
    """A layer with `nn.Parameter`, and one without any, in a net that the library's loop trains."""

    class Centred(nn.Module):
        def forward(self, X):
            return X - d2l.reduce_mean(X, 1, keepdim=True)

    class Dense(nn.Module):
        def __init__(self, *shape):
            super().__init__()
            self.scale, self.direction = nn.Parameter(d2l.ones(shape[1])), nn.Parameter(d2l.randn(*shape) / 4)

        def forward(self, X):
            return F.relu(d2l.matmul(X, self.direction) * self.scale)

    net = nn.Sequential(Dense(2, 16), Centred(), nn.Linear(16, 1))
    features, labels = d2l.synthetic_data(d2l.tensor([2.0, -1.0]), 0.5, 200)
    train_iter, loss = d2l.load_array((features, labels), 20), nn.MSELoss(reduction="none")
    before = d2l.evaluate_loss(net, train_iter, loss)
    for _ in range(3):
        train_l, _ = d2l.train_epoch_ch3(net, train_iter, loss, torch.optim.SGD(net.parameters(), lr=0.05))
    assert train_l < before / 5
    assert Centred()(d2l.rand(4, 8)).mean(1).abs().max() < 1e-6


def test_5_5_tensors_and_parameters_in_files(book):
    """A tensor, a list, a dictionary, and a net that is loaded and gives the same."""
    x, y = d2l.astype(d2l.arange(4), d2l.int32), d2l.linspace(0, 1, 3)
    for name, kept in (("one", x), ("list", [x, y]), ("dict", {"x": x, "y": y})):
        torch.save(kept, f"{name}.pt")
    assert torch.equal(torch.load("one.pt"), x)
    assert x.dtype == d2l.int32
    assert [one.tolist() for one in torch.load("list.pt")] == [[0, 1, 2, 3], [0, 0.5, 1]]
    assert list(torch.load("dict.pt")) == ["x", "y"]

    net, clone = (nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)) for _ in range(2))
    net(d2l.randn(9, 5))
    torch.save(net.state_dict(), "net.params")
    clone.load_state_dict(torch.load("net.params"))
    X = d2l.randn(3, 5)
    assert torch.equal(clone.eval()(X), net.eval()(X))
    assert (book / "chapter" / "net.params").stat().st_size > 0


def test_5_6_devices():
    """The first GPU or the CPU; a tenth or the CPU; all, or the CPU; and what is made there."""
    assert d2l.try_gpu().type in ("cpu", "cuda", "mps")
    assert d2l.try_gpu(10) == torch.device("cpu")
    assert d2l.try_gpu(i=10) == torch.device("cpu")
    devices = d2l.try_all_gpus()
    assert len(devices) >= 1
    X = torch.ones(2, 3, device=d2l.try_gpu())
    net = nn.Sequential(nn.Linear(3, 1)).to(device=d2l.try_gpu())
    assert net(X).device == X.device == net[0].weight.data.device
    assert isinstance(d2l.numpy(net(X)), np.ndarray)
    assert d2l.to(X, "cpu").device.type == "cpu"
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        assert devices == [torch.device("cpu")]
    with pytest.raises(AttributeError, match="try_gpu"):
        d2l.try_gpus()
