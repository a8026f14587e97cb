"""Cells in the manner of chapter 12: how long things take, and one net on several devices."""

import re
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fourstep import d2l


def test_12_1_a_program_by_its_text_and_a_compiled_net(printed):
    """A reader's own class that times a block is the library's; both print one line for each net."""

    class Benchmark:
        def __init__(self, description="Done"):
            self.description = description

        def __enter__(self):
            self.timer = d2l.Timer()
            return self

        def __exit__(self, *args):
            print(f"{self.description}: {self.timer.stop():.4f} sec")

    net, x = nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 2)), torch.randn(size=(1, 32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's, of its own script
        script = torch.jit.script(net)
    assert torch.equal(net(x), script(x))
    for kind in (Benchmark, d2l.Benchmark):
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
    """The weights and biases of two convolutions and two dense layers."""
    scale = 0.05
    W1, b1 = torch.randn(size=(8, 1, 3, 3)) * 0.2, torch.zeros(8)
    W2, b2 = torch.randn(size=(12, 8, 5, 5)) * scale, torch.zeros(12)
    W3, b3 = torch.randn(size=(192, 32)) * scale, torch.zeros(32)
    W4, b4 = torch.randn(size=(32, 10)) * scale, torch.zeros(10)
    return [W1, b1, W2, b2, W3, b3, W4, b4]


def lenet(X, params):
    """The net as a function of its parameters."""
    h1 = F.relu(F.conv2d(input=X, weight=params[0], bias=params[1]))
    h1 = F.avg_pool2d(input=h1, kernel_size=(2, 2), stride=(2, 2))
    h2 = F.relu(F.conv2d(input=h1, weight=params[2], bias=params[3]))
    h2 = F.avg_pool2d(input=h2, kernel_size=(2, 2), stride=(2, 2))
    h2 = h2.reshape(h2.shape[0], -1)[:, :192]
    return torch.mm(F.relu(torch.mm(h2, params[4]) + params[5]), params[6]) + params[7]


loss = nn.CrossEntropyLoss(reduction="none")


def get_params(params, device):
    """A copy on a device, with gradients."""
    new_params = [p.clone().to(device) for p in params]
    for p in new_params:
        p.requires_grad_()
    return new_params


def allreduce(data):
    """Add up in the first, and copy to the others."""
    for i in range(1, len(data)):
        data[0][:] += data[i].to(data[0].device)
    for i in range(1, len(data)):
        data[i][:] = data[0].to(data[i].device)


def train_batch(X, y, device_params, devices, lr):
    """Each device's part forward and backward, gradients added up, a step for each."""
    X_shards, y_shards = d2l.split_batch(X, y, devices)
    ls = [
        loss(lenet(X_shard, device_W), y_shard).sum()
        for X_shard, y_shard, device_W in zip(X_shards, y_shards, device_params, strict=True)
    ]
    for l in ls:
        l.backward()
    with torch.no_grad():
        for i in range(len(device_params[0])):
            allreduce([device_params[c][i].grad for c in range(len(devices))])
    for param in device_params:
        d2l.sgd(param, lr, X.shape[0])


@pytest.mark.usefixtures("fashion_mnist")
def test_12_5_several_devices_from_scratch(printed):
    """One device and two give the same curve; accuracy through a lambda on one of them; time per epoch."""
    params, curves, num_epochs, lr = start(), [], 20, 0.2
    for devices in ([d2l.try_gpu(0)], [torch.device("cpu"), torch.device("cpu")]):
        torch.manual_seed(1)
        train_iter, test_iter = d2l.load_data_fashion_mnist(40)
        device_params = [get_params(params, d) for d in devices]
        animator = d2l.Animator("epoch", "test acc", xlim=[1, num_epochs])
        timer = d2l.Timer()
        for epoch in range(num_epochs):
            timer.start()
            for X, y in train_iter:
                train_batch(X, y, device_params, devices, lr)
            timer.stop()
            animator.add(
                epoch + 1,
                (d2l.evaluate_accuracy_gpu(lambda x: lenet(x, device_params[0]), test_iter, devices[0]),),
            )
        print(f"test acc: {animator.Y[0][-1]:.2f}, {timer.avg():.1f} sec/epoch on {str(devices)}")  # noqa: RUF010 - as readers type it
        curves.append(animator.Y[0])
    lines = printed()
    assert lines[1].endswith("sec/epoch on [device(type='cpu'), device(type='cpu')]")
    assert curves[0][-1] > 0.5
    assert curves[1] == pytest.approx(curves[0], abs=0.1)


def test_12_5_parts_of_a_batch():
    """Of twenty numbers in rows, and of labels that belong to them."""
    data = torch.arange(20).reshape(4, 5)
    devices = [torch.device("cpu"), torch.device("cpu")]
    (X1, X2), (y1, y2) = d2l.split_batch(data, torch.arange(4), devices)
    assert torch.equal(torch.cat((X1, X2)), data)
    assert (y1.tolist(), y2.tolist()) == ([0, 1], [2, 3])
    grads = [torch.ones(1, 2), torch.ones(1, 2) * 2]
    allreduce(grads)
    assert [grad.tolist() for grad in grads] == [[[3, 3]], [[3, 3]]]


@pytest.mark.usefixtures("fashion_mnist")
def test_12_6_several_devices_in_brief(printed):
    """The library's ResNet through `nn.DataParallel`, initialised by `apply` beneath it; accuracy by the net alone."""

    def init_weights(m):
        if type(m) in [nn.Linear, nn.Conv2d]:
            nn.init.normal_(m.weight, std=0.01)

    net = d2l.resnet18(10)
    train_iter, test_iter = d2l.load_data_fashion_mnist(80, resize=8)
    devices = [d2l.try_gpu(i) for i in range(1)]
    net.apply(init_weights)
    net = nn.DataParallel(net, device_ids=devices).to(devices[0])
    trainer = torch.optim.SGD(net.parameters(), 0.1)
    batch_loss = nn.CrossEntropyLoss()
    timer, num_epochs = d2l.Timer(), 1
    animator = d2l.Animator("epoch", "test acc", xlim=[1, num_epochs])
    for epoch in range(num_epochs):
        net.train()
        timer.start()
        for X, y in train_iter:
            trainer.zero_grad()
            X, y = X.to(devices[0]), y.to(devices[0])
            l = batch_loss(net(X), y)
            l.backward()
            trainer.step()
        timer.stop()
        animator.add(epoch + 1, (d2l.evaluate_accuracy_gpu(net, test_iter),))
    print(f"test acc: {animator.Y[0][-1]:.2f}, {timer.avg():.1f} sec/epoch on {devices!s}")
    assert re.fullmatch(r"test acc: \d\.\d\d, \d+\.\d sec/epoch on \[device\(.*\)\]", printed()[0])
    assert net.training
