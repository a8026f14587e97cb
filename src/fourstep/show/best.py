"""Which point of a curve is the best one, where it is known what is best."""

import math
from collections.abc import Callable, Sequence

LOWEST_IS_BEST = {"loss", "error", "mse", "mae", "rmse", "perplexity"}
HIGHEST_IS_BEST = {"accuracy", "precision", "recall", "f1", "auc"}


def best_point(metric: str, xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float] | None:
    """The best point of a curve, the first of several equals; None where it has none or nobody knows what is best.

    Args:
        metric: as `fourstep.show.labels.metric_of` has it.
        xs: of the points.
        ys: as many; one that is not finite is not the best.

    >>> best_point("loss", [1, 2, 3], [0.5, 0.2, 0.2]), best_point("accuracy", [1, 2], [0.5, 0.9])
    ((2, 0.2), (2, 0.9))
    """
    choose: Callable[..., tuple[float, float]] | None = None
    if metric in LOWEST_IS_BEST:
        choose = min
    elif metric in HIGHEST_IS_BEST:
        choose = max
    finite = [(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)]
    return None if choose is None or not finite else choose(finite, key=lambda point: point[1])


def judged(curves: Sequence[str]) -> list[str]:
    """The curves whose best point says how good a run is: those of val, or of test where there is no val.

    >>> judged(["train/loss", "test/loss"]), judged(["train/loss", "val/loss", "test/loss"])
    (['test/loss'], ['val/loss'])
    """
    return [name for name in curves if name.startswith("val/")] or [name for name in curves if name.startswith("test/")]
