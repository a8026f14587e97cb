"""Cells in the manner of chapter 12: how long things take, and one net on several devices."""

import re
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fourstep import d2l


def test_12_1_a_program_by_its_text_and_a_compiled_net(printed):
    """A reader's own timing of a block is the library's; both print one line for each net."""

    @contextmanager
    def timed(description):
        timer = d2l.Timer()
        yield timer
        print(f"{description}: {timer.stop():.4f} sec")

    net, x = nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 2)), torch.randn(size=(1, 32))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.script`")  # a DeprecationWarning, from 2.15 a FutureWarning
        script = torch.jit.script(net)
    assert torch.equal(net(x), script(x))
    for kind in (timed, d2l.Benchmark):
        with kind("without torchscript"):
            for _ in range(20):
                net(x)
        with kind("with torchscript"):
            for _ in range(20):
                script(x)
    lines = printed()
    assert len(lines) == 4
    assert all(re.fullmatch(r"with(out)? torchscript: \d\.\d{4} sec", line) for line in lines)


def test_12_2_and_12_3_blocks_are_timed(printed):
    """By text and by default; inside a block nothing is changed, and on GPUs one would wait."""
    with d2l.Benchmark("numpy"):
        for _ in range(3):
            b = np.dot(np.random.normal(size=(50, 50)), np.random.normal(size=(50, 50)))
    with d2l.Benchmark():
        a = torch.randn(size=(50, 50), device=d2l.try_gpu())
        b = torch.mm(a, a)
    assert b.shape == (50, 50)

    devices = d2l.try_all_gpus()

    def run(x):
        return [x.mm(x) for _ in range(5)]

    x_gpu1 = torch.rand(size=(60, 60), device=devices[0])
    run(x_gpu1)
    with d2l.Benchmark("GPU1 time"):
        run(x_gpu1)
        if devices[0].type == "cuda":
            torch.cuda.synchronize(devices[0])
    with d2l.Benchmark("Run on GPU1 and copy to CPU"):
        y = [one.to("cpu", non_blocking=True) for one in run(x_gpu1)]
    assert len(y) == 5
    assert [line.split(": ")[0] for line in printed()] == ["numpy", "Done", "GPU1 time", "Run on GPU1 and copy to CPU"]


def start():
    """The weights and biases of two convolutions and two dense layers, in turn."""
    shapes = {(8, 1, 3, 3): 0.2, (12, 8, 5, 5): 0.05, (32, 192): 0.05, (10, 32): 0.05}
    return [one for shape, std in shapes.items() for one in (d2l.normal(0, std, shape), d2l.zeros(shape[0]))]


def lenet(X, params):
    """The net as a function of its parameters."""
    for i in (0, 2):
        X = F.avg_pool2d(F.conv2d(X, *params[i : i + 2]).relu(), 2)
    return F.linear(F.linear(X.flatten(1), *params[4:6]).relu(), *params[6:])


loss = nn.CrossEntropyLoss(reduction="none")


def get_params(params, device):
    """A copy on a device, with gradients."""
    return [nn.Parameter(param.to(device, copy=True)) for param in params]


def allreduce(data):
    """The sum takes the place of each."""
    total = sum(one.to(data[0].device) for one in data)
    for one in data:
        one.copy_(total)


def train_batch(X, y, device_params, devices, lr):
    """Each device's part forward and backward, gradients added up, a step for each."""
    X_shards, y_shards = d2l.split_batch(X, y, devices)
    for params, *shard in zip(device_params, X_shards, y_shards, strict=True):
        d2l.reduce_sum(loss(lenet(shard[0], params), shard[1])).backward()
    for copies in zip(*device_params, strict=True):
        allreduce([copy.grad for copy in copies])
    for params in device_params:
        d2l.sgd(params, lr, len(X))


@pytest.mark.usefixtures("fashion_mnist")
def test_12_5_several_devices_from_scratch(printed):
    """One device and two give the same curve; accuracy through a lambda on one of them; time per epoch."""
    params, curves, num_epochs, lr = start(), [], 20, 0.2
    for devices in ([d2l.try_gpu(0)], [torch.device("cpu"), torch.device("cpu")]):
        torch.manual_seed(1)
        train_iter, test_iter = d2l.load_data_fashion_mnist(40)
        device_params = [get_params(params, device) for device in devices]
        timer, animator = d2l.Timer(), d2l.Animator("epoch", "test acc", xlim=[1, num_epochs])
        for epoch in range(1, num_epochs + 1):
            timer.start()
            for batch in train_iter:
                train_batch(*batch, device_params, devices, lr)
            timer.stop()
            share = d2l.evaluate_accuracy_gpu(lambda x: lenet(x, device_params[0]), test_iter, devices[0])
            animator.add(epoch, (share,))
        print(f"{animator.Y[0][-1]:.2f} after {timer.avg():.1f} sec/epoch on {devices}")
        curves.append(animator.Y[0])
    lines = printed()
    assert lines[1].endswith(" sec/epoch on [device(type='cpu'), device(type='cpu')]")
    assert curves[0][-1] > 0.5
    apart = sorted(abs(one - two) for one, two in zip(*curves, strict=True))
    assert apart[-3] <= 0.1  # but for an epoch or two at which this learning rate makes either jump


def test_12_5_parts_of_a_batch():
    """Of twenty numbers in rows, and of labels that belong to them."""
    X, devices = d2l.reshape(d2l.arange(12), (6, 2)), [torch.device("cpu")] * 3
    X_shards, y_shards = d2l.split_batch(X, d2l.arange(6), devices)
    assert torch.equal(d2l.concat(X_shards), X)
    assert [part.tolist() for part in y_shards] == [[0, 1], [2, 3], [4, 5]]
    grads = [d2l.tensor([1.0, 2.0]), d2l.tensor([4.0, -2.0])]
    allreduce(grads)
    assert [grad.tolist() for grad in grads] == [[5, 0], [5, 0]]


@pytest.mark.usefixtures("fashion_mnist")
def test_12_6_several_devices_in_brief(printed):
    """The library's ResNet through `nn.DataParallel`, initialised by `apply` beneath it; accuracy by the net alone."""

    def init_weights(m):
        if isinstance(m, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(m.weight)

    train_iter, test_iter = d2l.load_data_fashion_mnist(32, resize=16)
    body, devices = d2l.resnet18(10).apply(init_weights), d2l.try_all_gpus()[:1]
    net = nn.DataParallel(body, devices).to(devices[0])
    trainer = torch.optim.SGD(net.parameters(), 0.05)
    timer, animator = d2l.Timer(), d2l.Animator("epoch", "test acc", xlim=[1, 2])
    for epoch in (1, 2):
        timer.start()
        for X, y in train_iter:
            trainer.zero_grad()
            outputs = net(X.to(devices[0]))
            d2l.reduce_mean(loss(outputs, y.to(devices[0]))).backward()
            trainer.step()
        timer.stop()
        animator.add(epoch, (d2l.evaluate_accuracy_gpu(net, test_iter),))
        assert net.training
    assert animator.Y[0][-1] > 0.5  # by guessing, 0.1
    print(f"{animator.Y[0][-1]:.2f} after {timer.avg():.1f} sec/epoch on {devices}")
    assert re.fullmatch(r"\d\.\d\d after \d+\.\d sec/epoch on \[device\(.*\)\]", printed()[0])
