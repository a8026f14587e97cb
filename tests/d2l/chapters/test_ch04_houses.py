"""Cells in the manner of section 4.10: the prices of houses."""

import hashlib

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from fourstep import d2l


def houses(first, num):
    """Rows as in the competition's files: an Id, numbers and words with gaps, and the price at the end."""
    rng = np.random.default_rng(first)
    area, quality = rng.integers(600, 2600, num), rng.integers(1, 11, num)
    zone, alley = rng.choice(["RL", "RM", "FV"], num), rng.choice(["Grvl", "Pave", None], num)
    front = np.where(rng.random(num) < 0.2, np.nan, rng.integers(20, 120, num))
    price = (60 * area + 9000 * quality + 15000 * (zone == "FV") + rng.normal(0, 3000, num)).round().astype(int)
    columns = {
        "Id": np.arange(first, first + num), "MSZoning": zone, "LotFrontage": front, "Alley": alley,
        "OverallQual": quality, "GrLivArea": area, "SalePrice": price,
    }  # fmt: skip
    return pd.DataFrame(columns)


@pytest.fixture
def hub(book):
    """Both files lie in `../data`, and the cells of the chapter put them into the hub."""
    for name, table in (("train", houses(1, 120)), ("test", houses(121, 40).drop(columns="SalePrice"))):
        path = book / "data" / f"kaggle_house_pred_{name}.csv"
        table.to_csv(path, index=False, na_rep="NA")
        sha1 = hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
        d2l.DATA_HUB[f"kaggle_house_{name}"] = (d2l.DATA_URL + path.name, sha1)


def prepared():
    """Both tables; and the features of both, standardised and one-hot, with the train labels, as tensors."""
    train_data, test_data = (pd.read_csv(d2l.download(f"kaggle_house_{part}")) for part in ("train", "test"))
    table = pd.concat([train_data, test_data]).drop(columns=["Id", "SalePrice"])
    numbers = table.select_dtypes("number")
    table[numbers.columns] = ((numbers - numbers.mean()) / numbers.std()).fillna(0.0)
    rows = pd.get_dummies(table, dummy_na=True, dtype=float).to_numpy()
    train_features, test_features = (
        d2l.tensor(part, dtype=d2l.float32) for part in np.split(rows, [len(train_data)])
    )  # fmt: skip
    prices = d2l.tensor(train_data.SalePrice.values, dtype=d2l.float32)
    return test_data, train_features, test_features, d2l.reshape(prices, (-1, 1))


loss = nn.MSELoss()


def log_rmse(net, features, labels):
    """The error of the prices' logarithms, where no price is below 1."""
    with torch.no_grad():
        guessed = d2l.log(net(features).clamp(min=1))
        return float(loss(guessed, d2l.log(labels))) ** 0.5


def train(net, *splits, num_epochs, lr, batch_size):
    """Train by Adam on the first pair of features and labels; for each pair the errors after every epoch."""
    errors = [[] for _ in splits]
    train_iter = d2l.load_array(splits[0], batch_size)
    optimizer = torch.optim.Adam(net.parameters(), lr=lr, weight_decay=0)
    for _ in range(num_epochs):
        for X, y in train_iter:
            optimizer.zero_grad()
            loss(net(X), y).backward()
            optimizer.step()
        for curve, split in zip(errors, splits, strict=True):
            curve.append(log_rmse(net, *split))
    return errors


def get_k_fold_data(k, i, X, y):
    """The rows but every k-th from the i-th on to train on, and those."""
    held = torch.arange(len(X)) % k == i
    return (X[~held], y[~held]), (X[held], y[held])


@pytest.mark.usefixtures("hub")
def test_4_10_k_fold_validation(printed):
    """Tables from the hub as tensors; each fold's errors fall; those of the first are drawn over a range's list."""
    _, train_features, test_features, train_labels = prepared()
    assert train_features.shape == (120, 10)  # 3 of numbers, and 4 + 3 of words with "is missing"
    assert test_features.shape == (40, 10)

    k, num_epochs, last = 3, 60, []
    for i in range(k):
        net = nn.Sequential(nn.Linear(10, 1))
        parts = get_k_fold_data(k, i, train_features, train_labels)
        train_ls, valid_ls = train(net, *parts, num_epochs=num_epochs, lr=1000, batch_size=16)
        last.append((train_ls[-1], valid_ls[-1]))
        if not i:
            d2l.plot(
                list(range(1, num_epochs + 1)), [train_ls, valid_ls], xlabel="epoch", ylabel="rmse",
                xlim=[1, num_epochs], legend=["train", "valid"], yscale="log",
            )  # fmt: skip
            axes = d2l.plt.gca()
        print("fold {}: log rmse {:.4f} and {:.4f}".format(i + 1, *last[-1]))
        assert valid_ls[-1] < valid_ls[0] / 3
    assert [line.split(":")[0] for line in printed()] == ["fold 1", "fold 2", "fold 3"]
    assert np.mean(last, axis=0).max() < 0.5
    assert (len(axes.lines), axes.get_yscale(), axes.get_xlim()) == (2, "log", (1, num_epochs))


@pytest.mark.usefixtures("hub")
def test_4_10_a_submission(book):
    """Trained on all, the error drawn over an array, and the prices of the test's houses in a file."""
    test_data, train_features, test_features, train_labels = prepared()
    net, num_epochs = nn.Sequential(nn.Linear(train_features.shape[1], 1)), 60
    (train_ls,) = train(net, (train_features, train_labels), num_epochs=num_epochs, lr=1000, batch_size=16)
    d2l.plot(
        np.arange(1, num_epochs + 1), [train_ls], xlabel="epoch", ylabel="log rmse", xlim=[1, num_epochs], yscale="log"
    )
    assert d2l.plt.gca().lines[0].get_ydata().tolist() == train_ls

    prices = pd.Series(d2l.numpy(net(test_features))[:, 0], name="SalePrice")
    pd.concat([test_data["Id"], prices], axis=1).to_csv("submission.csv", index=False)
    lines = (book / "chapter" / "submission.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "Id,SalePrice"
    assert len(lines) == 41
    assert not list((book / "data").glob("*.part*"))
