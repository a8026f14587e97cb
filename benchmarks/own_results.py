"""What the recipes reach on data of one's own, beside scikit-learn: `python benchmarks/own_results.py`, some minutes.

Real data that ships in packages, as the files that a user would have: CSV, JSON turned to Parquet, PNG in folders. Each
seed is another split into 80 % to train on and 20 % to test; scikit-learn's models get the same rows, as `from_table`
scaled them, categories as one column a value. Writes its section of docs/results.md.
"""

import os
import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image
from rich.progress import track
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import OneHotEncoder

import fourstep as fs
from fourstep.recipes import make_data, make_parts_for, recipe_for, with_settings
from fourstep.recipes.build import train_parts

SEEDS = range(5)
TITLE = "Data of your own"
HEAD = f"""
## {TITLE}

`python benchmarks/own_results.py`: the recipe `table` with its own settings on tables as files, and `lenet` on a folder
of PNG files; {len(SEEDS)} seeds, each another split (80 % to train on, 20 % to test). Beside them scikit-learn's linear
model and its multilayer perceptron with their defaults, on the same rows. Error is the mean distance from the target.

| data | number | fourstep | linear | MLP |
|---|---|---|---|---|
"""


def write_diabetes(folder: Path) -> dict[str, str]:
    """442 people, 10 numbers; how ill they are a year later."""
    datasets.load_diabetes(as_frame=True, scaled=False).frame.to_csv(folder / "diabetes.csv", index=False)
    return {"data": str(folder / "diabetes.csv"), "target": "target"}


def write_classes(name: str) -> Callable[[Path], dict[str, str]]:
    """A table of numbers with the class's name in `kind`."""

    def write(folder: Path) -> dict[str, str]:
        loaded = getattr(datasets, f"load_{name}")(as_frame=True)
        names = [str(loaded.target_names[index]) for index in loaded.target]
        loaded.frame.drop(columns="target").assign(kind=names).to_csv(folder / f"{name}.csv", index=False)
        return {"data": str(folder / f"{name}.csv"), "target": "kind"}

    return write


def write_cars(folder: Path) -> dict[str, str]:
    """398 cars, of numbers, a date, categories and names, some values missing; miles per gallon."""
    from vega_datasets import data  # noqa: PLC0415 - of this table alone

    frame = pl.read_json(data.cars.filepath).drop_nulls("Miles_per_Gallon")
    frame.write_parquet(folder / "cars.parquet")
    return {"data": str(folder / "cars.parquet"), "target": "Miles_per_Gallon"}


def write_digits(folder: Path) -> dict[str, str]:
    """1,797 digits of 8 x 8 pixels, a PNG file each."""
    whole = fs.data.digits(test=None).train
    assert isinstance(whole, fs.Batches)
    for number, (image, target) in enumerate(zip(whole.inputs, whole.targets.tolist(), strict=True)):
        place = folder / "digits" / str(target) / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(place)
    return {"data": f"{folder / 'digits'}/"}


WORKS: dict[str, tuple[str, Callable[[Path], dict[str, str]]]] = {
    "diabetes": ("table", write_diabetes),
    "cars": ("table", write_cars),
    "wine": ("table", write_classes("wine")),
    "breast cancer": ("table", write_classes("breast_cancer")),
    "digits as PNG": ("lenet", write_digits),
}


def compare(model: str, settings: dict[str, str], seed: int) -> list[float]:
    """The test split's number: of the recipe, of the linear model, of the perceptron."""
    recipe = with_settings(recipe_for(model, settings["data"]), {**settings, "seed": seed})
    data = make_data(recipe)
    run = train_parts(recipe, make_parts_for(recipe, data), show="none")
    last = run.history.rows[-1]
    if data.classes:
        others: list[Any] = [LogisticRegression(max_iter=1000), MLPClassifier(random_state=seed)]
        return [last["test/accuracy"], *(_score(one, data, lambda a, b: a == b) for one in others)]
    others = [LinearRegression(), MLPRegressor(random_state=seed)]
    return [last["test/error"], *(_score(one, data, lambda a, b: np.abs(a - b)) for one in others)]


def _score(model: Any, data: fs.Data, measure: Callable[[Any, Any], Any]) -> float:
    """What a model of scikit-learn reaches on the test split, on average."""
    train, test = data.train, data.test
    assert isinstance(train, fs.Batches)
    assert isinstance(test, fs.Batches)
    codes = len(data.encoding.category_sizes) if data.encoding.kind == "table" else 0  # type: ignore[union-attr]
    rows = [_rows(split, codes) for split in (train, test)]
    if codes:
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(rows[0][1])
        rows = [(numbers, encoder.transform(some)) for numbers, some in rows]
    wide = [np.concatenate(pair, axis=1) for pair in rows]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # its defaults stop early, as its users see too
        model.fit(wide[0], train.targets.numpy().squeeze())
    return float(np.mean(measure(model.predict(wide[1]), test.targets.numpy().squeeze())))


def _rows(split: fs.Batches, codes: int) -> tuple[Any, Any]:
    inputs = split.prepare(split.inputs).flatten(1).numpy()
    return inputs[:, : inputs.shape[1] - codes], inputs[:, inputs.shape[1] - codes :]


def main() -> None:
    """Train everything, write the section."""
    lines = []
    with tempfile.TemporaryDirectory() as name:
        os.environ["FOURSTEP_CACHE"] = str(Path(name) / "cache")
        for title, (model, write) in track(WORKS.items(), description="data of your own"):
            settings = write(Path(name))
            rows = list(zip(*(compare(model, settings, seed) for seed in SEEDS), strict=True))
            number = "accuracy" if title not in ("diabetes", "cars") else "error"
            cells = [f"{statistics.median(row):.3f} [{min(row):.3f}-{max(row):.3f}]" for row in rows]
            lines.append(f"| {title} | {number} | {' | '.join(cells)} |")
    path = Path(__file__).parent.parent / "docs" / "results.md"
    body, made, rest = path.read_text(encoding="utf-8").rpartition("\nMade with ")
    body = body.partition(f"\n## {TITLE}\n")[0].rstrip()
    section = HEAD + "\n".join(lines)
    path.write_text(f"{body}\n{section}\n{made}{rest}", encoding="utf-8")
    sys.stdout.write(section + "\n")


if __name__ == "__main__":
    main()
