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
    train_data = pd.read_csv(d2l.download("kaggle_house_train"))
    test_data = pd.read_csv(d2l.download("kaggle_house_test"))
    all_features = pd.concat((train_data.iloc[:, 1:-1], test_data.iloc[:, 1:]))
    numeric_features = all_features.select_dtypes("number").columns
    all_features[numeric_features] = all_features[numeric_features].apply(lambda x: (x - x.mean()) / (x.std()))
    all_features[numeric_features] = all_features[numeric_features].fillna(0)
    all_features = pd.get_dummies(all_features, dummy_na=True, dtype=float)
    n_train = train_data.shape[0]
    train_features = d2l.tensor(all_features[:n_train].values, dtype=d2l.float32)
    test_features = d2l.tensor(all_features[n_train:].values, dtype=d2l.float32)
    train_labels = d2l.tensor(train_data.SalePrice.values.reshape(-1, 1), dtype=d2l.float32)
    return test_data, train_features, test_features, train_labels


loss = nn.MSELoss()


def log_rmse(net, features, labels):
    """The error of the prices' logarithms."""
    clipped_preds = torch.clamp(net(features), 1, float("inf"))
    return torch.sqrt(loss(torch.log(clipped_preds), torch.log(labels))).item()


def train(
    net, train_features, train_labels, test_features, test_labels, num_epochs, learning_rate, weight_decay, batch_size
):
    """Train by Adam; the errors after each epoch."""
    train_ls, test_ls = [], []
    train_iter = d2l.load_array((train_features, train_labels), batch_size)
    optimizer = torch.optim.Adam(net.parameters(), lr=learning_rate, weight_decay=weight_decay)
    for _ in range(num_epochs):
        for X, y in train_iter:
            optimizer.zero_grad()
            l = loss(net(X), y)
            l.backward()
            optimizer.step()
        train_ls.append(log_rmse(net, train_features, train_labels))
        if test_labels is not None:
            test_ls.append(log_rmse(net, test_features, test_labels))
    return train_ls, test_ls


def get_k_fold_data(k, i, X, y):
    """The parts but the i-th to train on, and the i-th."""
    fold_size = X.shape[0] // k
    folds = [slice(j * fold_size, (j + 1) * fold_size) for j in range(k)]
    rest = [fold for j, fold in enumerate(folds) if j != i]
    return torch.cat([X[f] for f in rest], 0), torch.cat([y[f] for f in rest], 0), X[folds[i]], y[folds[i]]


@pytest.mark.usefixtures("hub")
def test_4_10_k_fold_validation(printed):
    """Tables from the hub as tensors; each fold's errors fall; those of the first are drawn over a range's list."""
    _, train_features, test_features, train_labels = prepared()
    assert train_features.shape == (120, 10)  # 3 of numbers, and 4 + 3 of words with "is missing"
    assert test_features.shape == (40, 10)

    k, num_epochs, lr, weight_decay, batch_size = 3, 60, 1000, 0, 16
    train_l_sum, valid_l_sum = 0, 0
    for i in range(k):
        data = get_k_fold_data(k, i, train_features, train_labels)
        net = nn.Sequential(nn.Linear(train_features.shape[1], 1))
        train_ls, valid_ls = train(net, *data, num_epochs, lr, weight_decay, batch_size)
        train_l_sum += train_ls[-1]
        valid_l_sum += valid_ls[-1]
        if i == 0:
            d2l.plot(
                list(range(1, num_epochs + 1)), [train_ls, valid_ls], xlabel="epoch", ylabel="rmse",
                xlim=[1, num_epochs], legend=["train", "valid"], yscale="log",
            )  # fmt: skip
            axes = d2l.plt.gca()
        print(f"fold {i + 1}, train log rmse {float(train_ls[-1]):f}, valid log rmse {float(valid_ls[-1]):f}")
        assert valid_ls[-1] < valid_ls[0] / 3
    assert [line.split(",")[0] for line in printed()] == ["fold 1", "fold 2", "fold 3"]
    assert max(train_l_sum, valid_l_sum) / k < 0.5
    assert (len(axes.lines), axes.get_yscale(), axes.get_xlim()) == (2, "log", (1, num_epochs))


@pytest.mark.usefixtures("hub")
def test_4_10_a_submission(book):
    """Trained on all, the error drawn over an array, and the prices of the test's houses in a file."""
    test_data, train_features, test_features, train_labels = prepared()
    net, num_epochs = nn.Sequential(nn.Linear(train_features.shape[1], 1)), 60
    train_ls, _ = train(net, train_features, train_labels, None, None, num_epochs, 1000, 0, 16)
    d2l.plot(
        np.arange(1, num_epochs + 1), [train_ls], xlabel="epoch", ylabel="log rmse", xlim=[1, num_epochs], yscale="log"
    )
    assert d2l.plt.gca().lines[0].get_ydata().tolist() == train_ls

    preds = net(test_features).detach().numpy()
    test_data["SalePrice"] = pd.Series(preds.reshape(1, -1)[0])
    submission = pd.concat([test_data["Id"], test_data["SalePrice"]], axis=1)
    submission.to_csv("submission.csv", index=False)
    lines = (book / "chapter" / "submission.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "Id,SalePrice"
    assert len(lines) == 41
    assert not list((book / "data").glob("*.part*"))
