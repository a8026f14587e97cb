"""`fourstep evaluate`, `predict` and `plot`: what a finished run is good for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor
from tyro.conf import FlagCreatePairsOff, Positional, arg

from fourstep.data.batches import Batches
from fourstep.data.pictures import has_bright_background, read_picture
from fourstep.data.samples import Prepare
from fourstep.errors import RunFolderError, check_count, one_line
from fourstep.evaluation import evaluate, predict
from fourstep.metrics import accuracy
from fourstep.recipes import Parts, Recipe, from_settings, make_parts
from fourstep.runs.record import load_run
from fourstep.runs.weights import load_weights
from fourstep.show import save_curves

RUN_HELP = arg(metavar="RUN", help="a run's folder, such as runs/lenet")


def load_trained(run: str) -> tuple[Recipe, Parts]:
    """The recipe of a finished run, and its parts with the trained weights.

    Raises:
        RunFolderError: there is no such run, or it was not made from a recipe.
    """
    record = load_run(run)
    if "recipe" not in record.settings:
        raise RunFolderError(
            f"{run} was trained from Python, not from a recipe: build its model there and use fourstep.load_weights"
        )
    recipe = from_settings(record.settings["recipe"])
    parts = make_parts(recipe)
    load_weights(parts.model, record.path)
    return recipe, parts


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Measure a finished run on its splits.

    fourstep evaluate runs/lenet
    """

    run: Positional[Annotated[str, RUN_HELP]]

    def execute(self) -> None:
        """Print one line per split."""
        _, parts = load_trained(self.run)
        metrics = {"accuracy": accuracy} if parts.data.classes else None
        for name, split in parts.data.splits().items():
            numbers = evaluate(parts.model, split, parts.loss_fn, metrics=metrics)
            print(f"{name:<5} " + "  ".join(f"{metric} {value:.4g}" for metric, value in numbers.items()))


@dataclass(frozen=True, kw_only=True)
class Predict:
    """Predict picture files, or the first samples of the test split, and draw true and predicted labels.

    fourstep predict runs/lenet

    fourstep predict runs/lenet shoe.jpg --invert
    """

    run: Positional[Annotated[str, RUN_HELP]]
    files: Positional[Annotated[tuple[str, ...], arg(metavar="FILE", help="pictures; none for the test split")]] = ()
    count: Annotated[int, arg(metavar="N", help="how many of the test split")] = 18
    invert: Annotated[bool, arg(help="the pictures are dark on bright, the training images bright on dark")] = False
    output: Annotated[
        str | None, arg(metavar="FILE", help="the picture to draw", help_behavior_hint="(default: RUN/predictions.png)")
    ] = None

    def execute(self) -> None:
        """Print a line per sample, draw the picture."""
        from fourstep.show.grid import MOST_IMAGES, save_image_grid  # noqa: PLC0415 - matplotlib is slow to import

        check_count("count", self.count)
        recipe, parts = load_trained(self.run)
        inputs, targets = self._samples(recipe, parts)
        outputs = predict(parts.model, inputs, prepare=_prepare(parts))
        if not parts.data.classes:
            print("\n".join(_value_lines(outputs, targets)))
            return
        names = [one_line(Path(file).name) for file in self.files] or [f"test {i}" for i in range(len(inputs))]
        shares, indices = outputs.softmax(1).max(1)
        predicted = [parts.data.classes[index] for index in indices.tolist()]
        true = [""] * len(names) if self.files else [parts.data.classes[int(target)] for target in targets]
        for name, truth, guess, share in zip(names, true, predicted, shares.tolist(), strict=True):
            print(f"{name}: {guess} ({share:.1%})" + (f", true: {truth}" if truth else ""))
        if not self.files:
            right = sum(map(str.__eq__, true, predicted))
            print(f"{right} of {len(true)} right")
        path = Path(self.output) if self.output else Path(self.run) / "predictions.png"
        titles = [f"{truth}\n{guess}" if truth else guess for truth, guess in zip(true, predicted, strict=True)]
        colors = ["black" if truth in ("", guess) else "red" for truth, guess in zip(true, predicted, strict=True)]
        drawn = slice(MOST_IMAGES)
        save_image_grid(inputs[drawn], titles[drawn], path, title_colors=colors[drawn])
        first = f", the first {MOST_IMAGES}" if len(titles) > MOST_IMAGES else ""
        print(f"picture: {one_line(str(path))}{first}" + ("" if self.files else ", true label above, predicted below"))

    def _samples(self, recipe: Recipe, parts: Parts) -> tuple[Tensor, Tensor]:
        """What to predict, as bytes where they are images, and its targets."""
        if not self.files:
            test = parts.data.test
            assert isinstance(test, Batches), "recipes make Batches"  # noqa: S101 - our own bug
            return test.inputs[: self.count], test.targets[: self.count]
        pictures = torch.stack([read_picture(file, recipe.resize, invert=self.invert) for file in self.files])
        bright = sum(map(has_bright_background, pictures))
        if bright:
            flag = "without --invert" if self.invert else "with --invert"
            print(
                f"note: {bright} of {len(pictures)} have a bright border, the training images a dark one: "
                f"if they look wrong, try {flag}"
            )
        return pictures, torch.zeros(len(pictures))


def _prepare(parts: Parts) -> Prepare:
    """How the run's model saw its inputs."""
    train = parts.data.train
    assert isinstance(train, Batches), "recipes make Batches"  # noqa: S101 - our own bug
    return train.prepare


def _value_lines(outputs: Tensor, targets: Tensor) -> list[str]:
    pairs = zip(outputs.flatten().tolist(), targets.flatten().tolist(), strict=True)
    return [f"test {i}: {output:.3f}, true: {target:.3f}" for i, (output, target) in enumerate(pairs)]


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Draw a run's curves into a file.

    fourstep plot runs/lenet

    fourstep plot runs/lenet --output lenet.pdf
    """

    run: Positional[Annotated[str, RUN_HELP]]
    output: Annotated[
        str | None,
        arg(metavar="FILE", help="ends in .svg, .png or .pdf", help_behavior_hint="(default: RUN/curves.svg)"),
    ] = None
    lr: Annotated[FlagCreatePairsOff[bool], arg(help="draw the learning rate too")] = False

    def execute(self) -> None:
        """Write the file, say where."""
        path = Path(self.output) if self.output else Path(self.run) / "curves.svg"
        save_curves(load_run(self.run).history, path, lr=self.lr)
        print(one_line(str(path)))
