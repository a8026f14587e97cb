"""What a finished run on a table says of new rows, or of its own test split."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from fourstep.cli.use import load_for_new, load_trained
from fourstep.data.batches import Batches
from fourstep.errors import ConfigError, DataFileError, one_line
from fourstep.evaluation import predict
from fourstep.recipes import Recipe

SHOWN = 5  # rows of a table whose predictions are printed


def predict_rows(run: str, recipe: Recipe, files: Sequence[str], count: int, output: str | None) -> list[str]:
    """Predict a table's rows into a CSV file, or the first rows of the test split.

    Args:
        run: the run's folder.
        recipe: which it was trained from.
        files: one table, or none for the test split.
        count: how many of the test split.
        output: the file to write; None for `predictions.csv` in the run's folder.

    Returns:
        What to print.

    Raises:
        ConfigError: several tables.
        DataError, DataFileError: the table does not fit, or a file is missing or damaged.
    """
    if len(files) > 1:
        raise ConfigError(f"{len(files)} tables: expected one at a time, as each is written again with its predictions")
    if not files:
        return _of_test_split(run, count)
    from fourstep.data.tables.encoding import TableEncoding  # noqa: PLC0415 - polars is an extra
    from fourstep.data.tables.predicted import write_predictions  # noqa: PLC0415 - polars is an extra

    model, encoding = load_for_new(run, recipe)
    assert isinstance(encoding, TableEncoding), "its recipe reads a table"  # noqa: S101 - our own bug
    outputs = predict(model, encoding.to_inputs(files[0]))
    path = Path(output) if output else Path(run) / "predictions.csv"
    write_predictions(files[0], encoding, outputs, path)
    shown = [f"row {i + 1}: {answer}" for i, answer in enumerate(_answers(outputs[:SHOWN], encoding))]
    more = [f"... {len(outputs) - SHOWN:,} more"] if len(outputs) > SHOWN else []
    return [*shown, *more, f"table: {one_line(str(path))}"]


def _of_test_split(run: str, count: int) -> list[str]:
    _, parts = load_trained(run)
    test, encoding = parts.data.test, parts.data.encoding
    if not isinstance(test, Batches) or encoding is None:
        raise DataFileError(f"{run} has no test split: name the table whose rows are to be predicted")
    inputs, targets = test.take(slice(0, min(count, test.num_samples)))
    outputs = predict(parts.model, inputs)
    if _task(encoding) == "regression":
        return value_lines(outputs, targets)
    if encoding.classes:
        true = [encoding.classes[int(target)] for target in targets]
        closing = [f"{int((outputs.argmax(1) == targets).sum())} of {len(true)} right"]
    else:
        true, closing = [", ".join(f"{value:g}" for value in row) for row in targets.tolist()], []
    pairs = enumerate(zip(_answers(outputs, encoding), true, strict=True))
    return [*[one_line(f"test {i}: {answer}, true: {truth}") for i, (answer, truth) in pairs], *closing]


def _answers(outputs: Tensor, encoding: Any) -> list[str]:
    """What is predicted, a text per row."""
    if _task(encoding) == "labels":
        names = encoding.target.names
        return [
            one_line(", ".join(f"{name} {share:.1%}" for name, share in zip(names, row, strict=True)))
            for row in outputs.sigmoid().tolist()
        ]
    if not encoding.classes:
        return [", ".join(f"{value:.6g}" for value in row) for row in outputs.tolist()]
    shares, indices = outputs.softmax(1).max(1)
    pairs = zip(indices.tolist(), shares.tolist(), strict=True)
    return [one_line(f"{encoding.classes[index]} ({share:.1%})") for index, share in pairs]


def _task(encoding: Any) -> str:
    task: str = encoding.target.task
    return task


def value_lines(outputs: Tensor, targets: Tensor) -> list[str]:
    """A line per sample of a regression: what is predicted, and what is true."""
    guesses, truths = (
        [" ".join(f"{value:.3f}" for value in row) for row in values.reshape(len(values), -1).tolist()]
        for values in (outputs, targets)
    )
    return [f"test {i}: {guess}, true: {truth}" for i, (guess, truth) in enumerate(zip(guesses, truths, strict=True))]
