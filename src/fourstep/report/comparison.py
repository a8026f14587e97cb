"""The page of several runs: their curves over each other, in what they differ, what came out."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fourstep.errors import one_line
from fourstep.report import words
from fourstep.report.curves import NUM_COLOURS, compared_charts, drawable, last_values, summarise
from fourstep.report.notes import Notes
from fourstep.report.page import render
from fourstep.runs.record import RunRecord
from fourstep.show.best import best_point
from fourstep.show.labels import metric_of, number, title
from fourstep.show.thinning import Curves, curves_of


def comparison_of(runs: Sequence[tuple[RunRecord, Notes | None]]) -> str:
    """A page that compares runs.

    Args:
        runs: each run's settings and rows, and what else is known of it; two or more.

    Returns:
        HTML, whole in itself.
    """
    records = [record for record, _ in runs]
    names = names_of([record.path for record in records])
    curves = [drawable(curves_of(record.history)) for record in records]
    colours = [number % NUM_COLOURS for number in range(len(runs))]
    charts = compared_charts(zip(names, curves, strict=True)) if any(curves) else []
    listed = zip(names, colours, runs, strict=True)
    return render(
        "comparison.html.jinja",
        title=f"{len(runs)} runs compared",
        data={"charts": charts, "x": "epoch", "live": False},
        charts=charts,
        names=names,
        colours=colours,
        runs=[{"name": name, "colour": colour, **_row(*run)} for name, colour, run in listed],
        results=_results(records, curves),
        differing=words.differing(records),
        footer="fourstep",
    )


def names_of(paths: Sequence[Path]) -> list[str]:
    """A short name for each run: its folder's, and more of the path where two would be the same.

    >>> names_of([Path("/a/lenet"), Path("/b/lenet"), Path("/b/mlp")])
    ['a/lenet', 'b/lenet', 'b/mlp']
    """
    parts = [path.absolute().parts for path in paths]
    longest = max(map(len, parts))
    for length in range(1, longest + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if max(Counter(names).values()) == 1:
            break
    short = [one_line(name) if len(name) <= 60 else f"...{one_line(name)[-57:]}" for name in names]  # noqa: PLR2004 - a legend's width
    return short if len(set(short)) == len(short) else [f"{index} {name}" for index, name in enumerate(short, start=1)]


def _row(record: RunRecord, notes: Notes | None) -> dict[str, str]:
    rows = record.history.rows
    done = rows[-1]["epoch"] if rows else 0.0
    seconds = rows[-1].get("seconds") if rows else None
    parameters = record.model.get("parameters")
    return {
        "model": words.plain(record.model.get("kind", "")),
        "data": words.plain(record.data.get("name", "")),
        "state": "" if notes is None else notes.state,
        "epochs": words.epochs(done),
        "time": "" if seconds is None else words.duration(seconds),
        "parameters": f"{parameters:,}" if isinstance(parameters, int) else "",
    }


def _results(records: Sequence[RunRecord], curves: Sequence[Curves]) -> list[dict[str, Any]]:
    """A row per curve of any run: each run's last and best number, and which run has the best one."""
    lasts = [last_values(record.history) for record in records]
    names = dict.fromkeys(name for one in lasts for name in one)
    return [_result(name, records, curves, [one.get(name) for one in lasts]) for name in names]


def _result(
    name: str, records: Sequence[RunRecord], curves: Sequence[Curves], lasts: Sequence[float | None]
) -> dict[str, Any]:
    found = [summarise(name, one[name]).best if name in one else None for one in curves]
    bests = [None if one is None else one[1] for one in found]
    there = [(place, value) for place, value in enumerate(bests) if value is not None]
    top = best_point(metric_of(name), [float(place) for place, _ in there], [value for _, value in there])
    kinds = {_measures(name, records[place]) for place, _ in there}
    is_comparable = len(there) > 1 and len(kinds) == 1
    cells = [
        {
            "last": "" if last is None else number(last),
            "best": "" if best is None else number(best),
            "top": is_comparable and top is not None and best == top[1],
        }
        for last, best in zip(lasts, bests, strict=True)
    ]
    return {"name": title(name), "cells": cells}


def _measures(name: str, record: RunRecord) -> tuple[str, ...]:
    """On what a number was measured, and by what: numbers of different ones say nothing of each other."""
    fit = record.settings.get("fit")
    loss = fit.get("loss_fn") if isinstance(fit, dict) and metric_of(name) == "loss" else ""
    split = record.data.get(name.partition("/")[0].partition("-")[0])
    data = [split.get(part, "") for part in ("fingerprint", "samples")] if isinstance(split, dict) else []
    return tuple(map(words.plain, (record.data.get("name", ""), loss, *data)))
