"""The bars that fourstep sets itself, and whether it clears them."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Literal

from benchmarks.plan import PEERS, SIZES
from benchmarks.sample import Measurement
from benchmarks.tables import Samples, growth_of, head, pairs_of, ratio_of, row

# work -> how many times the limit's seconds `fit` may take, and how many times as fast it must be as each of the others
RATIOS = {
    "linear": (1.10, {"hand": 1.7, "article": 1.3, "best peer": 2.2}),
    "softmax": (1.20, {"hand": 3.3, "article": 28.0, "best peer": 3.7}),
    "lenet": (1.07, {"hand": 1.5, "article": 2.8, "best peer": 1.4}),
    "resnet": (1.05, {"hand": 1.1}),
}
D2L = 0.9  # of `fit`'s speed
GROWTH = 4.2  # 240,000 samples against 60,000
PEAK = 0.9  # of the hand-written loop's
SHOWN = {"linear": 1.03, "lenet": 1.01}
STARTUP = {
    ("import fourstep", "import torch"): 0.1,
    ("fourstep --help", "import torch"): 0.3,
    ("fourstep train", "plain script"): 1.5,
}


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar.

    Attributes:
        name: what is compared.
        sense: which side of the limit is good.
        limit: the bar.
        unit: `"x"` or `" s"`.
        measured: the value; None where it was not measured.
    """

    name: str
    sense: Literal["at most", "at least"]
    limit: float
    unit: str = "x"
    measured: float | None

    @property
    def holds(self) -> bool:
        """Is the measured value on the good side?"""
        assert self.measured is not None
        return self.measured <= self.limit if self.sense == "at most" else self.measured >= self.limit


def make_bars(samples: Samples) -> list[Bar]:
    """All bars. Values that stayed disturbed count as not measured."""
    clean = {key: runs for key, runs in samples.items() if not any(run.disturbed for run in runs)}
    return [*speed_bars(clean), *other_bars(clean)]


def bar_table(bars: list[Bar]) -> list[str]:
    """The bars that were measured, and how many were not."""
    lines = head("bar", "must be", "is", "holds")
    measured = [bar for bar in bars if bar.measured is not None]
    for bar in measured:
        limit, value = f"{bar.sense} {bar.limit:g}{bar.unit}", f"{bar.measured:.3g}{bar.unit}"
        lines.append(row(bar.name, limit, value, "yes" if bar.holds else "**no**"))
    missing = len(bars) - len(measured)
    return [*lines, *(["", f"{missing} of {len(bars)} bars were not measured."] if missing else [])]


def speed_bars(samples: Samples) -> Iterator[Bar]:
    """`fit` against the others, and `fourstep.d2l` against `fit`."""

    def over(work: str, one: str, other: str) -> float | None:
        """One's seconds over the other's."""
        if one == "best peer":
            peers = [over(work, name, other) for name in PEERS]
            return min((peer for peer in peers if peer is not None), default=None)
        measured = (Measurement(contender=name, work=work) for name in (one, other))
        return ratio_of(samples, *measured)

    for work, (limit, faster) in RATIOS.items():
        measured = over(work, "fit", "limit")
        yield Bar(name=f"{work}: fit's time over the limit's", sense="at most", limit=limit, measured=measured)
        for contender, least in faster.items():
            measured = over(work, contender, "fit")
            yield Bar(name=f"{work}: fit's speed over {contender}'s", sense="at least", limit=least, measured=measured)
    for work in ("softmax", "mlp", "lenet"):
        measured = over(work, "fit", "d2l")
        yield Bar(name=f"{work}: d2l's speed over fit's", sense="at least", limit=D2L, measured=measured)


def other_bars(samples: Samples) -> Iterator[Bar]:
    """Growth, memory, showing and start-up."""
    growth = growth_of(samples, "fit", SIZES[-1])
    yield Bar(name="softmax: an epoch of 240,000 over one of 60,000", sense="at most", limit=GROWTH, measured=growth)

    def median_of(contender: str, work: str, value: str) -> float | None:
        runs = samples.get(Measurement(contender=contender, work=work), ())
        return median(getattr(run, value) for run in runs) if runs else None

    for work in ("linear", "softmax", "mlp", "lenet", "resnet"):
        fit, hand = median_of("fit", work, "peak_mb"), median_of("hand", work, "peak_mb")
        measured = None if fit is None or hand is None else fit / hand
        yield Bar(name=f"{work}: fit's peak memory over hand's", sense="at most", limit=PEAK, measured=measured)
    for work, most in SHOWN.items():
        ratios = pairs_of(samples, work, "fit-shown")
        measured = median(ratios) if ratios else None
        yield Bar(name=f"{work}: progress, curves and log over silence", sense="at most", limit=most, measured=measured)
    for (ours, other), limit in STARTUP.items():
        one, two = median_of(ours, "startup", "seconds"), median_of(other, "startup", "seconds")
        measured = None if one is None or two is None else one - two
        yield Bar(name=f"`{ours}` over `{other}`", sense="at most", limit=limit, unit=" s", measured=measured)
