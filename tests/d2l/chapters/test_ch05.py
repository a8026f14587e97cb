"""Cells in the manner of chapter 5: layers, parameters, files and devices."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fourstep import d2l


class FixedHiddenMLP(nn.Module):
    """A block with weights that stay, one layer twice, and a loop."""

    def __init__(self):
        super().__init__()
        self.rand_weight = torch.rand((20, 20), requires_grad=False)
        self.linear = nn.Linear(20, 20)

    def forward(self, X):
        X = F.relu(torch.mm(self.linear(X), self.rand_weight) + 1)
        X = self.linear(X)
        while X.abs().sum() > 1:
            X /= 2
        return X.sum()


def test_5_1_blocks_of_the_readers_own():
    """A module, a container with others in it; the alias for `nn.Module` as their base."""

    class MLP(d2l.nn_Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.out = nn.Linear(20, 32), nn.Linear(32, 10)

        def forward(self, X):
            return self.out(F.relu(self.hidden(X)))

    class MySequential(nn.Module):
        def __init__(self, *args):
            super().__init__()
            for idx, module in enumerate(args):
                self._modules[str(idx)] = module

        def forward(self, X):
            for block in self._modules.values():
                X = block(X)
            return X

    X = d2l.rand(2, 20)
    assert MLP()(X).shape == (2, 10)
    net = MySequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 20), FixedHiddenMLP())
    assert net(X).shape == ()
    assert abs(net(X).item()) <= 1


def test_5_2_parameters_are_read_set_and_shared():
    """Names, a nested layer's bias, initialisers by `apply`, one layer that stands twice."""
    shared = nn.Linear(8, 8)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(8, 1))
    assert [(name, param.shape) for name, param in net[0].named_parameters()] == [("weight", (8, 4)), ("bias", (8,))]
    assert net.state_dict()["6.bias"].data.shape == (1,)
    assert net[6].weight.grad is None

    def init_normal(m):
        if type(m) == nn.Linear:
            nn.init.normal_(m.weight, mean=0, std=0.01)
            nn.init.zeros_(m.bias)

    net.apply(init_normal)
    net[0].apply(lambda m: nn.init.constant_(m.weight, 42))
    assert net[0].weight.data[0].tolist() == [42] * 4
    assert net[6].bias.item() == 0
    net[2].weight.data[0, 0] = 100
    assert (net[2].weight.data[0] == net[4].weight.data[0]).all()


def test_5_4_layers_of_the_readers_own_train():
    """A layer with `nn.Parameter`, and one without any, in a net that the library's loop trains."""

    class CenteredLayer(nn.Module):
        def forward(self, X):
            return X - X.mean()

    class MyLinear(nn.Module):
        def __init__(self, in_units, units):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(in_units, units) * 0.1)
            self.bias = nn.Parameter(torch.zeros(units))

        def forward(self, X):
            return F.relu(torch.matmul(X, self.weight) + self.bias)

    net = nn.Sequential(MyLinear(2, 16), CenteredLayer(), nn.Linear(16, 1))
    features, labels = d2l.synthetic_data(d2l.tensor([2.0, -1.0]), 0.5, 200)
    train_iter, loss = d2l.load_array((features, labels), 20), nn.MSELoss(reduction="none")
    before = d2l.evaluate_loss(net, train_iter, loss)
    for _ in range(3):
        train_l, _ = d2l.train_epoch_ch3(net, train_iter, loss, torch.optim.SGD(net.parameters(), lr=0.05))
    assert train_l < before / 5
    assert (CenteredLayer()(d2l.rand(4, 8)).mean()).abs() < 1e-6


def test_5_5_tensors_and_parameters_in_files(book):
    """A tensor, a list, a dictionary, and a net that is loaded and gives the same."""
    x = d2l.arange(4)
    torch.save(x, "x-file")
    torch.save([x, d2l.zeros(4)], "x-files")
    torch.save({"x": x, "y": d2l.zeros(4)}, "mydict")
    assert torch.equal(torch.load("x-file"), x)
    assert [one.tolist() for one in torch.load("x-files")] == [[0, 1, 2, 3], [0] * 4]
    assert list(torch.load("mydict")) == ["x", "y"]

    net, clone = (nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 3)) for _ in range(2))
    X = torch.randn(size=(2, 20))
    torch.save(net.state_dict(), "mlp.params")
    clone.load_state_dict(torch.load("mlp.params"))
    clone.eval()
    assert torch.equal(clone(X), net(X))
    assert (book / "chapter" / "mlp.params").stat().st_size > 0


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
