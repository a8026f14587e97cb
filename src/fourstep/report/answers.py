"""Answers on the held-out split as the page shows them: tables of classes, mistakes, a scatter plot."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from fourstep.errors import one_line
from fourstep.report.notes import ClassAnswers, Mistake, ValueAnswers
from fourstep.report.pictures import is_small_png
from fourstep.show.labels import number, round_ticks

MOST_IN_MATRIX = 30  # classes; beyond, the commonest mistakes are listed
MOST_LISTED = 40  # classes in the table, the worst ones
MOST_PAIRS = 20
SIDE, MARGIN = 400, 46  # of the scatter plot, in its own units


def class_view(answers: ClassAnswers, names: Sequence[str]) -> dict[str, Any]:
    """What the page says of a classifier's answers."""
    labels = [_label(index, names, answers.num_classes) for index in range(answers.num_classes)]
    counts = Counter({(pair.true, pair.predicted): pair.count for pair in answers.confusions})
    totals: dict[int, int] = defaultdict(int)
    for (true, _), count in counts.items():
        totals[true] += count
    right = sum(counts[index, index] for index in totals)
    asked = sum(totals.values())
    rows = [_class_row(index, labels, totals[index], counts) for index in sorted(totals)]
    worst = sorted(rows, key=lambda row: (row["share"], row["name"]))[:MOST_LISTED]
    matrix = _matrix(labels, counts, totals) if answers.num_classes <= MOST_IN_MATRIX else None
    wrong = [(count, pair) for pair, count in counts.items() if pair[0] != pair[1]]
    pairs = sorted(wrong, key=lambda one: (-one[0], one[1]))[:MOST_PAIRS]
    return {
        "split": one_line(answers.split),
        "samples": answers.samples,
        "of": answers.of,
        "right": f"{right:,}",
        "asked": f"{asked:,}",
        "accuracy": f"{right / asked:.2%}" if asked else "",
        "rows": worst if len(rows) > MOST_LISTED else rows,
        "left_out": max(0, len(rows) - MOST_LISTED),
        "matrix": matrix,
        "labels": labels if matrix else [],
        "pairs": [{"true": labels[t], "predicted": labels[p], "count": count} for count, (t, p) in pairs],
        "mistakes": [_mistake(one, labels) for one in answers.mistakes],
        "unsound": answers.unsound,
    }


def _label(index: int, names: Sequence[str], num_classes: int) -> str:
    name = str(names[index]) if len(names) == num_classes else str(index)
    name = one_line(name)
    return name if len(name) <= 40 else f"{name[:37]}..."  # noqa: PLR2004 - a column's width


def _class_row(index: int, labels: Sequence[str], total: int, counts: Counter[tuple[int, int]]) -> dict[str, Any]:
    right = counts[index, index]
    wrong = [(count, -pair[1]) for pair, count in counts.items() if pair[0] == index and pair[1] != index]
    most = max(wrong, default=None)
    return {
        "name": labels[index],
        "total": total,
        "right": right,
        "share": right / total,
        "percent": f"{right / total:.1%}",
        "taken": "" if most is None else f"{labels[-most[1]]} ({most[0]})",
    }


def _matrix(
    labels: Sequence[str], counts: Counter[tuple[int, int]], totals: dict[int, int]
) -> list[list[dict[str, Any]]]:
    places = range(len(labels))
    return [
        [
            {
                "count": counts[true, predicted],
                "share": round(counts[true, predicted] / max(totals.get(true, 0), 1), 3),
                "kind": "right" if true == predicted else "wrong",
                "said": f"{counts[true, predicted]} of {labels[true]} taken for {labels[predicted]}",
            }
            for predicted in places
        ]
        for true in places
    ]


def _mistake(one: Mistake, labels: Sequence[str]) -> dict[str, Any]:
    return {
        "index": one.index,
        "true": labels[one.true],
        "predicted": labels[one.predicted],
        "probability": f"{one.probability:.1%}",
        "picture": one.picture if one.picture and is_small_png(one.picture) else "",
        "numbers": ", ".join(f"{value:.3g}" for value in one.values[:8]),
    }


def value_view(answers: ValueAnswers) -> dict[str, Any]:
    """What the page says of a regression's answers: a scatter plot of predicted against true, the largest residuals."""
    return {
        "split": one_line(answers.split),
        "samples": answers.samples,
        "of": answers.of,
        "outputs": answers.outputs,
        "rmse": number(answers.rmse),
        "r2": f"{answers.r2:.4f}" if abs(answers.r2) < 1000 else number(answers.r2),  # noqa: PLR2004 - where digits say little
        "unsound": answers.unsound,
        "shown": len(answers.points),
        **_scatter(answers),
        "rows": [
            {
                "index": one.index,
                "true": number(one.true),
                "predicted": number(one.predicted),
                "residual": f"{one.predicted - one.true:+.4g}",
            }
            for one in answers.largest
        ],
    }


def _scatter(answers: ValueAnswers) -> dict[str, Any]:
    """The points and ticks of a square plot, both axes alike."""
    values = [value for one in answers.points for value in (one.true, one.predicted)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = max(0.04 * (high - low), 1e-6 * max(abs(low), abs(high))) or 1.0
    low, high = low - margin, high + margin

    def place(value: float) -> float:
        return round((value - low) / (high - low) * (SIDE - MARGIN - 10), 1)

    largest = {one.index for one in answers.largest}
    return {
        "points": [
            {
                "x": MARGIN + place(one.true),
                "y": SIDE - MARGIN - place(one.predicted),
                "kind": "far" if one.index in largest else "near",
            }
            for one in answers.points
        ],
        "ticks": [{"at": place(tick), "label": f"{tick:.4g}"} for tick in round_ticks(low, high, 6)],
        "side": SIDE,
        "margin": MARGIN,
        "end": SIDE - 10,
    }
