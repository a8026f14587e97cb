"""`fourstep predict`: what a finished run says of pictures, of the rows of a table, or of its own test split."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
from torch import Tensor
from tyro.conf import Positional, arg

from fourstep.cli.predict_rows import predict_rows, value_lines
from fourstep.cli.use import RUN_HELP, load_for_new, load_trained, recipe_of
from fourstep.data.batches import Batches
from fourstep.data.folders.encoding import ImageEncoding, list_pictures
from fourstep.data.pictures import has_bright_background, read_picture
from fourstep.errors import ConfigError, DataFileError, check_count, one_line
from fourstep.evaluation import predict
from fourstep.recipes import TABLE, Recipe, is_own


class Answers(NamedTuple):
    """What a model said of some images.

    Attributes:
        pixels: `(N, C, H, W)`, bytes.
        outputs: `(N, K)`.
        names: N.
        true: the true classes' names; empty texts where they are not known.
        classes: K names.
    """

    pixels: Tensor
    outputs: Tensor
    names: list[str]
    true: list[str]
    classes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Predict:
    """Predict picture files or the rows of a table; or the first samples of the test split, with their true labels.

    Pictures are drawn with their labels; a table is written again with what is predicted.

    fourstep predict runs/lenet

    fourstep predict runs/lenet shoe.jpg --invert

    fourstep predict runs/table new.csv
    """

    run: Positional[Annotated[str, RUN_HELP]]
    files: Positional[
        Annotated[
            tuple[str, ...],
            arg(metavar="FILE", help="pictures or folders of them, or one table; none for the test split"),
        ]
    ] = ()
    count: Annotated[int, arg(metavar="N", help="how many of the test split")] = 18
    invert: Annotated[bool, arg(help="the pictures are dark on bright, the training images bright on dark")] = False
    output: Annotated[
        str | None,
        arg(
            metavar="FILE",
            help="where to draw, or to write the table",
            help_behavior_hint="(default: RUN/predictions.png, or .csv)",
        ),
    ] = None

    def execute(self) -> None:
        """Print a line per sample, draw the picture or write the table."""
        check_count("count", self.count)
        recipe = recipe_of(self.run)
        if recipe.model == TABLE:
            print("\n".join(predict_rows(self.run, recipe, self.files, self.count, self.output)))
            return
        if not self.files:
            self._predict_test(recipe)
        elif is_own(recipe.data):
            self._tell(self._of_own_pictures(recipe))
        else:
            self._tell(self._of_pictures(recipe))

    def _predict_test(self, recipe: Recipe) -> None:
        _, parts = load_trained(self.run)
        test, classes = parts.data.test, parts.data.classes
        if not isinstance(test, Batches):
            raise DataFileError(f"{self.run} has no test split: name the pictures that are to be predicted")
        chosen = _some(test, self.count, spread=is_own(recipe.data))
        inputs, targets = test.take(chosen)
        outputs = predict(parts.model, inputs, prepare=test.prepare)
        names = [f"test {i}" for i in chosen.tolist()]
        if not classes:
            print("\n".join(value_lines(outputs, targets)))
            return
        self._tell(Answers(inputs, outputs, names, [classes[int(target)] for target in targets], classes))

    def _of_pictures(self, recipe: Recipe) -> Answers:
        pictures = torch.stack([read_picture(file, recipe.resize, invert=self.invert) for file in self.files])
        bright = sum(map(has_bright_background, pictures))
        if bright:
            flag = "without --invert" if self.invert else "with --invert"
            print(
                f"note: {bright} of {len(pictures)} have a bright border, the training images a dark one: "
                f"if they look wrong, try {flag}"
            )
        _, parts = load_trained(self.run)
        assert isinstance(parts.data.train, Batches), "recipes make Batches"  # noqa: S101 - our own bug
        outputs = predict(parts.model, pictures, prepare=parts.data.train.prepare)
        return Answers(pictures, outputs, names_of(self.files), [""] * len(pictures), parts.data.classes)

    def _of_own_pictures(self, recipe: Recipe) -> Answers:
        if self.invert:
            raise ConfigError("--invert: this run's pictures are read as the training's were. Leave it out")
        model, encoding = load_for_new(self.run, recipe)
        assert isinstance(encoding, ImageEncoding), "its recipe reads images"  # noqa: S101 - our own bug
        files = [file for given in self.files for file in (list_pictures(given) if Path(given).is_dir() else [given])]
        pixels = encoding.to_pixels(files)
        outputs = predict(model, encoding.to_inputs(pixels))
        return Answers(pixels, outputs, names_of(files), [""] * len(pixels), encoding.classes)

    def _tell(self, answers: Answers) -> None:
        """Print a line per image, and draw them."""
        from fourstep.show.grid import MOST_IMAGES, save_image_grid  # noqa: PLC0415 - matplotlib is slow to import

        shares, indices = answers.outputs.softmax(1).max(1)
        guesses = [answers.classes[index] for index in indices.tolist()]
        for name, truth, guess, share in zip(answers.names, answers.true, guesses, shares.tolist(), strict=True):
            print(one_line(f"{name}: {guess} ({share:.1%})" + (f", true: {truth}" if truth else "")))
        if not self.files:
            print(f"{sum(map(str.__eq__, answers.true, guesses))} of {len(guesses)} right")
        path = Path(self.output) if self.output else Path(self.run) / "predictions.png"
        pairs = list(zip(answers.true, guesses, strict=True))
        titles = [f"{truth}\n{guess}" if truth else guess for truth, guess in pairs]
        colors = ["black" if truth in ("", guess) else "red" for truth, guess in pairs]
        drawn = slice(MOST_IMAGES)
        save_image_grid(answers.pixels[drawn], titles[drawn], path, title_colors=colors[drawn])
        first = f", the first {MOST_IMAGES}" if len(titles) > MOST_IMAGES else ""
        print(f"picture: {one_line(str(path))}{first}" + ("" if self.files else ", true label above, predicted below"))


def _some(test: Batches, count: int, *, spread: bool) -> Tensor:
    """Which samples: the first ones, or as many evenly spread, since the user's own lie class by class."""
    count = min(count, test.num_samples)
    return torch.arange(count) * (test.num_samples // count if spread else 1)


def names_of(files: Sequence[str | Path]) -> list[str]:
    """The files' own names, as a screen may show them."""
    return [one_line(Path(file).name) for file in files]
