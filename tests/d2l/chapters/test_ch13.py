"""Cells in the manner of sections 13.1 and 13.2: augmented images, and a net that was trained before."""

import copy
import hashlib
import io
import os
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from fourstep import d2l


def pictures(num, num_classes, side=12):
    """Coloured images in bytes (N, side, side, 3): a class has its own brightness of red and of green."""
    rng = np.random.default_rng(num)
    labels = np.arange(num) % num_classes
    images = rng.integers(0, 60, size=(num, side, side, 3), dtype=np.uint8)
    images[..., 0] += (labels * (190 // num_classes))[:, None, None].astype(np.uint8)
    images[..., 1] += ((num_classes - 1 - labels) * (190 // num_classes))[:, None, None].astype(np.uint8)
    return images, labels


class Augmented(Dataset):  # type: ignore[type-arg]
    """Images of CIFAR's kind through a reader's own transform, one at a time."""

    def __init__(self, num, num_classes, transform):
        self.images, self.labels = pictures(num, num_classes)
        self.transform = transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.transform(self.images[i]), int(self.labels[i])


def to_tensor(image):
    """Channels first, in 0..1."""
    return torch.tensor(np.asarray(image)).permute(2, 0, 1).float() / 255


def flip(image):
    """Mirrored, half of the times."""
    return image if torch.rand(1) < 0.5 else image[:, ::-1].copy()


def test_13_1_one_image_many_times(book):
    """A picture from a file, shown alone and eight times; the tuples of a data set in a grid."""
    (book / "img").mkdir()
    Image.fromarray(pictures(1, 1, 40)[0][0]).save(book / "img" / "cat1.png")
    d2l.set_figsize()
    img = d2l.Image.open("../img/cat1.png")
    d2l.plt.imshow(img)

    def many(change, rows=2, columns=3, scale=1.5):
        return d2l.show_images([change(img) for _ in range(rows * columns)], rows, columns, scale=scale)

    axes = many(lambda one: flip(np.asarray(one)))
    assert axes.shape == (6,)
    assert axes[5].images[0].get_array().shape == (40, 40, 3)
    assert len(many(lambda one: one.rotate(90), 1, 2, scale=2)) == 2

    all_images = Augmented(12, 10, lambda image: image)
    axes = d2l.show_images([all_images[i][0] for i in range(8)], 2, 4, scale=0.8)
    assert all(ax.images for ax in axes)


def load_images(is_train, augs, batch_size, num=60, num_classes=10):
    """A reader's loader, with the library's number of workers."""
    dataset = Augmented(num, num_classes, augs)
    return DataLoader(
        dataset, batch_size=batch_size, shuffle=is_train, num_workers=d2l.get_dataloader_workers()
    )  # fmt: skip


def test_13_1_training_with_augmentation(printed):
    """Three values in one line, a net initialised by the reader, Adam, a loss per item, devices by position."""
    batch_size, devices, net = 30, d2l.try_all_gpus(), d2l.resnet18(10, 3)
    for param in net.parameters():
        if param.dim() > 1:
            nn.init.xavier_normal_(param)
    train_iter = load_images(True, lambda image: to_tensor(flip(image)), batch_size)
    test_iter = load_images(False, to_tensor, batch_size)
    loss, trainer = nn.CrossEntropyLoss(reduction="none"), torch.optim.Adam(net.parameters(), lr=0.001)
    d2l.train_ch13(net, train_iter, test_iter, loss, trainer, 4, devices)
    lines = printed()
    assert [part.rsplit(" ", 1)[0] for part in lines[0].split(", ")] == ["loss", "train acc", "test acc"]
    assert lines[1].endswith(f" examples/sec on {devices}")
    axes = d2l.plt.gcf().axes[0]
    assert (axes.get_xlim(), axes.get_ylim()) == ((1, 4), (0, 1))
    curve = axes.lines[0].get_ydata()
    assert curve[-1] < curve[0]


def small_net(num_classes):
    """A net with a body and an `fc`, as the chapter's ResNet has."""
    net = nn.Sequential()
    net.add_module("conv", nn.Conv2d(3, 8, kernel_size=3, stride=2))
    net.add_module("bn", nn.BatchNorm2d(8))
    net.add_module("relu", nn.ReLU())
    net.add_module("pool", nn.AdaptiveAvgPool2d((1, 1)))
    net.add_module("flatten", nn.Flatten())
    net.add_module("fc", nn.Linear(8, num_classes))
    return net


def test_13_1_a_loop_of_the_readers_own_over_a_batch():
    """`train_batch_ch13` gives two sums, which the reader accumulates and draws."""
    devices, num_epochs = d2l.try_all_gpus(), 4
    net = nn.DataParallel(small_net(4), devices).to(devices[0])
    train_iter, test_iter = (load_images(is_train, to_tensor, 20, num_classes=4) for is_train in (True, False))
    trainer, loss = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9), nn.CrossEntropyLoss(reduction="none")
    timer, animator = d2l.Timer(), d2l.Animator(xlim=[0, num_epochs], legend=["loss", "train", "test"])
    for epoch in range(num_epochs):
        metric = d2l.Accumulator(4)
        for features, labels in train_iter:
            timer.start()
            l, acc = d2l.train_batch_ch13(net, features, labels, loss, trainer, devices)
            timer.stop()
            metric.add(l, acc, labels.shape[0], labels.numel())
            so_far = epoch + metric[2] / len(train_iter.dataset)
            animator.add(so_far, (metric[0] / metric[2], metric[1] / metric[3], None))
        animator.add(epoch + 1, (None, None, d2l.evaluate_accuracy_gpu(net, test_iter)))
    assert metric[2] == metric[3] == 60
    assert 30 < metric[1] <= 60  # by guessing, 15
    assert len(timer.times) == 3 * num_epochs
    assert [len(curve) for curve in animator.Y] == [12, 12, 4]
    assert animator.Y[0][-1] < animator.Y[0][0] / 1.2


@pytest.fixture
def hotdogs(book):
    """A zip of PNG files in folders train and test, in the place of the chapter's, in `../data`."""
    path = book / "data" / "hotdog.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for split, num in (("train", 40), ("test", 20)):
            for number, (image, label) in enumerate(zip(*pictures(num, 2), strict=True)):
                buffer = io.BytesIO()
                Image.fromarray(image).save(buffer, format="png")
                name = ("hotdog", "not-hotdog")[label]
                packed.writestr(f"hotdog/{split}/{name}/{number}.png", buffer.getvalue())
    sha1 = hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
    d2l.DATA_HUB["hotdog"] = (d2l.DATA_URL + "hotdog.zip", sha1)


class Folder(Dataset):  # type: ignore[type-arg]
    """A reader's own in the place of torchvision's: images in folders that are named by their class."""

    def __init__(self, root, transform=lambda image: image):
        classes = sorted(os.listdir(root))
        self.files = [
            (f"{root}/{name}/{file}", k) for k, name in enumerate(classes) for file in os.listdir(f"{root}/{name}")
        ]
        self.transform = transform

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        with d2l.Image.open(self.files[i][0]) as image:
            return self.transform(image.convert("RGB")), self.files[i][1]


@pytest.mark.usefixtures("hotdogs")
def test_13_2_fine_tuning(printed):
    """An archive from the hub, images beside one another, and groups of parameters of which the last learns faster."""
    data_dir = d2l.download_extract("hotdog")
    assert data_dir == d2l.os.path.join("..", "data", "hotdog")
    train_imgs = Folder(d2l.os.path.join(data_dir, "train"))
    ends = [train_imgs[i][0] for i in (0, 1, 2, -1, -2, -3)]
    assert len(d2l.show_images(ends, 2, 3, scale=1.4)) == 6

    pretrained_net = small_net(4)
    finetune_net = copy.deepcopy(pretrained_net)
    finetune_net.fc = nn.Linear(8, 2)
    batch_size, lr = 10, 5e-3
    train_iter, test_iter = (
        DataLoader(Folder(f"{data_dir}/{part}", to_tensor), batch_size, shuffle=part == "train")
        for part in ("train", "test")
    )  # fmt: skip

    def train_fine_tuning(net, *fast):
        slow = [one for one in net.parameters() if all(one is not other for other in fast)]
        groups = [{"params": slow}, {"params": fast, "lr": 10 * lr}] if fast else slow
        trainer = torch.optim.SGD(groups, lr=lr, weight_decay=0.001)
        loss = nn.CrossEntropyLoss(reduction="none")
        d2l.train_ch13(net, train_iter, test_iter, loss, trainer, 4, d2l.try_all_gpus())

    train_fine_tuning(finetune_net, *finetune_net.fc.parameters())
    moved = (finetune_net.conv.weight - pretrained_net.conv.weight).abs().max()
    assert 0 < moved < 0.5
    train_fine_tuning(small_net(2))
    tuned, scratch = (float(line.split(", ")[0].removeprefix("loss ")) for line in printed()[::2])
    assert tuned < 0.5
    assert tuned < scratch
