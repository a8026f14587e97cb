"""The script that `fourstep train lenet --data digits --epochs 1` is compared with: plain torch, the same training."""

import gzip
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset, random_split


def read(name: str, header: int) -> Tensor:
    """The bytes of a packed IDX file after its header."""
    content = gzip.decompress((Path(os.environ["DIGITS"]) / name).read_bytes())
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=header).copy())


images = read("digits-images-idx3-ubyte.gz", 16).reshape(-1, 1, 8, 8).float().div_(16)
labels = read("digits-labels-idx1-ubyte.gz", 8).long()
images = functional.interpolate(images, (28, 28), mode="bilinear", antialias=True)
images = (images - images.mean()) / images.std()
train, test = random_split(TensorDataset(images, labels), [0.8, 0.2])

model = nn.Sequential(
    nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2),
    nn.Conv2d(6, 16, kernel_size=5), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(),
    nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10),
)  # fmt: skip
for module in model:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)

total, right, count = 0.0, 0, 0
for inputs, targets in DataLoader(train, batch_size=64, shuffle=True):
    outputs = model(inputs)
    loss = loss_fn(outputs, targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    total += loss.item() * len(targets)
    right += (outputs.argmax(dim=1) == targets).sum().item()
    count += len(targets)
model.eval()
with torch.no_grad():
    test_right = sum((model(inputs).argmax(dim=1) == targets).sum().item() for inputs, targets in DataLoader(test, 64))
print(f"loss {total / count:.3f}, train acc {right / count:.3f}, test acc {test_right / len(test):.3f}")
