"""Answers added up batch by batch: which class was taken for which, the surest mistakes, the largest residuals.

Shapes: B samples in a batch, K classes, D values per sample.
"""

import math
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from fourstep.report.notes import MOST_CLASSES, ClassAnswers, Confusion, Mistake, Residual, ValueAnswers
from fourstep.report.pictures import as_png, is_picture

MOST_MISTAKES = 24
MOST_POINTS = 1_000  # in a scatter plot
MOST_LARGEST = 12
MOST_VALUES = 8  # of a table's row
MOST_CONFUSIONS = 15_000
LARGEST = 1e150  # of a value whose square is a number


class _Wrong(NamedTuple):
    probability: float
    place: int  # in the split
    true: int
    predicted: int
    shown: Any  # the sample as it is to be shown; None where it cannot be


class ClassTally:
    """What a classifier answered.

    Attributes:
        asked: samples so far.
    """

    def __init__(self) -> None:
        self.asked = 0
        self._num_classes = self._unsound = 0
        self._pairs: list[Tensor] = []
        self._wrong: list[_Wrong] = []

    @staticmethod
    def fits(outputs: Any, targets: Any) -> bool:
        """Are these a number per class `(B, K)` and class indices `(B,)`?"""
        if not (isinstance(outputs, Tensor) and isinstance(targets, Tensor)):
            return False
        is_index = not targets.is_floating_point() and targets.dim() == 1
        return is_index and outputs.dim() == 2 and 2 <= outputs.shape[1] <= MOST_CLASSES  # noqa: PLR2004

    def add(self, shown: Any, outputs: Float[Tensor, "B K"], targets: Shaped[Tensor, " B"]) -> None:
        """Add a batch; targets that are no class, as those to ignore, count for nothing."""
        first, self.asked, self._num_classes = self.asked, self.asked + len(targets), outputs.shape[1]
        probability, predicted = _probabilities(outputs.float()).max(1)
        truth, guess, sure = targets.long().cpu(), predicted.cpu(), probability.cpu()
        known = (truth >= 0) & (truth < self._num_classes)
        self._pairs.append(torch.stack([truth, guess])[:, known])
        sound = sure.isfinite()
        self._unsound += int((known & ~sound).sum())
        wrong = torch.nonzero(known & sound & (truth != guess)).flatten()
        wrong = wrong[sure[wrong].argsort(descending=True, stable=True)][:MOST_MISTAKES]
        self._wrong += [
            _Wrong(float(sure[i]), first + i, int(truth[i]), int(guess[i]), _sample(shown, i)) for i in wrong.tolist()
        ]
        self._wrong = sorted(self._wrong, key=lambda one: (-one.probability, one.place))[:MOST_MISTAKES]

    def answers(self, split: str, of: int) -> ClassAnswers:
        """The counts and the mistakes so far."""
        pairs, counts = torch.cat(self._pairs, 1).unique(dim=1, return_counts=True)
        most = counts.argsort(descending=True, stable=True)[:MOST_CONFUSIONS].sort().values
        return ClassAnswers(
            split=split,
            samples=self.asked,
            of=of,
            num_classes=self._num_classes,
            confusions=tuple(
                Confusion(true=true, predicted=predicted, count=count)
                for true, predicted, count in zip(*pairs[:, most].tolist(), counts[most].tolist(), strict=True)
            ),
            mistakes=tuple(
                Mistake(
                    index=one.place, true=one.true, predicted=one.predicted, probability=min(one.probability, 1.0),
                    **_shown(one.shown),
                )
                for one in self._wrong
            ),
            unsound=self._unsound,
        )  # fmt: skip


class ValueTally:
    """What a regression answered.

    Attributes:
        asked: samples so far.
    """

    def __init__(self) -> None:
        self.asked = 0
        self._outputs = 1
        self._pairs: list[Tensor] = []

    @staticmethod
    def fits(outputs: Any, targets: Any) -> bool:
        """Are these values `(B,)` or `(B, D)` that may be compared, and not the zeros and ones of two classes?"""
        if not (isinstance(outputs, Tensor) and isinstance(targets, Tensor)) or outputs.shape != targets.shape:
            return False
        is_yes_or_no = bool(((targets == 0) | (targets == 1)).all())
        return targets.is_floating_point() and 1 <= targets.dim() <= 2 and targets.numel() > 0 and not is_yes_or_no  # noqa: PLR2004

    def add(self, shown: Any, outputs: Float[Tensor, "B ..."], targets: Float[Tensor, "B ..."]) -> None:  # noqa: ARG002 - pictures have no place here
        """Add a batch."""
        self.asked += len(targets)
        flat = outputs.reshape(len(outputs), -1)
        self._outputs = flat.shape[1]
        truth = targets.reshape(len(targets), -1)[:, 0]
        self._pairs.append(torch.stack([truth.double().cpu(), flat[:, 0].double().cpu()]))

    def answers(self, split: str, of: int) -> ValueAnswers:
        """The residuals so far; a value that is not finite has none."""
        pairs = torch.cat(self._pairs, 1)
        index = torch.nonzero((pairs.abs() <= LARGEST).all(0)).flatten()
        true, predicted = pairs[:, index]
        residual = predicted - true
        by_size = residual.abs().argsort(descending=True, stable=True)
        every = max(1, math.ceil(len(index) / MOST_POINTS))
        drawn = torch.cat([torch.arange(0, len(index), every), by_size[:MOST_LARGEST]]).unique()
        explained = 1 - residual.square().sum() / (true - true.mean()).square().sum()
        r2 = float(explained) if explained.isfinite() else 0.0  # of values that are all the same
        rmse = float(residual.square().mean().sqrt()) if len(true) else 0.0

        def some(places: Int[Tensor, " P"]) -> tuple[Residual, ...]:
            columns = (index[places].tolist(), true[places].tolist(), predicted[places].tolist())
            return tuple(Residual(index=i, true=t, predicted=p) for i, t, p in zip(*columns, strict=True))

        return ValueAnswers(
            split=split, samples=self.asked, of=of, outputs=self._outputs, rmse=rmse, r2=r2,
            points=some(drawn), largest=some(by_size[:MOST_LARGEST]), unsound=self.asked - len(index),
        )  # fmt: skip


def _probabilities(outputs: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
    """Of logits their softmax; what is a distribution already stays."""
    is_share = (outputs >= 0).all() & ((outputs.sum(1) - 1).abs() < 1e-3).all()  # noqa: PLR2004 - rounding of float16
    return outputs if bool(is_share) else outputs.softmax(1)


def _sample(shown: Any, index: int) -> Any:
    return shown[index].clone() if isinstance(shown, Tensor) else None


def _shown(sample: Any) -> dict[str, Any]:
    """A sample as a picture or as the first numbers of a row; nothing of what is neither."""
    if not isinstance(sample, Tensor):
        return {}
    if is_picture(sample):
        return {"picture": as_png(sample)}
    numbers = sample.flatten()[:MOST_VALUES].tolist() if sample.dim() <= 1 else []
    return {"values": tuple(float(value) for value in numbers if math.isfinite(value))}
