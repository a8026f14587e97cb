"""What stands above the progress bar in a terminal: the charts, and a table of the last epochs, as far as they fit."""

import math
from collections.abc import Mapping, Sequence

from rich.text import Text

from fourstep.show.chart import draw_panel, legend
from fourstep.show.labels import panels
from fourstep.show.table import HEAD, table_lines
from fourstep.show.thinning import Curves

BESIDE = 72  # columns from which two panels stand side by side
WIDEST = 100  # columns of a panel
SMALLEST = 4, 30  # lines and columns below which no curve is drawn
TALLEST, TALLEST_OF_TWO = 12, 8  # lines of a panel that has others beside it or none, and of one above another
AXIS = 2  # lines
BELOW = 4  # lines for the bar, of which a narrow terminal needs two, for a line that is printed, and for the cursor
FEWEST = 2  # rows of a table


def draw_page(
    curves: Curves, rows: Sequence[Mapping[str, float]], num_epochs: int, width: int, height: int
) -> list[Text]:
    """The charts, and below them as many of the last epochs as there is room for; a low terminal has none.

    Args:
        curves: name -> points, `split/metric`.
        rows: of the last epochs; see `LastEpochs`.
        num_epochs: where the horizontal axis ends.
        width: the terminal's columns.
        height: the terminal's lines; some are left for the progress bar.

    Returns:
        The lines; none where there is nothing to draw, or no room.
    """
    for count in range(min(len(rows), num_epochs), FEWEST - 1, -1):
        charts = draw_charts(curves, num_epochs, width, height - BELOW - HEAD - count)
        if charts:
            return charts + table_lines(list(rows)[-count:], width)
    return draw_charts(curves, num_epochs, width, height - BELOW)


def draw_charts(curves: Curves, num_epochs: int, width: int, height: int) -> list[Text]:
    """The panels of losses and of other metrics: side by side where it is wide, else one below the other.

    Args:
        curves: name -> points, `split/metric`.
        num_epochs: where the horizontal axis ends.
        width: in columns.
        height: in lines.

    Returns:
        The lines; none where there is nothing to draw, or no room.
    """
    groups = {panel: {name: curves[name] for name in names} for panel, names in panels(curves)}
    first = min((curve.xs[0] for curve in curves.values() if curve.xs), default=0.0)
    epochs = float(min(math.floor(first), num_epochs - 1)), float(num_epochs)
    beside = len(groups) == 2 and width >= BESIDE  # noqa: PLR2004 - there are never more
    columns = min(WIDEST, (width - 2) // 2 if beside else width)
    above = [len(legend(group, columns)) + AXIS for group in groups.values()]
    if not groups or columns < SMALLEST[1]:
        return []
    one_by_one = beside or len(groups) == 1
    rows = min(TALLEST, height - max(above)) if one_by_one else min(TALLEST_OF_TWO, (height - sum(above)) // 2)
    if rows < SMALLEST[0]:
        return []
    drawn = [draw_panel(panel, group, epochs=epochs, width=columns, height=rows) for panel, group in groups.items()]
    if not beside:
        return [line for panel in drawn for line in panel]
    most = max(map(len, drawn))
    blank = Text(" " * columns)
    left, right = ([blank] * (most - len(panel)) + panel for panel in drawn)  # their axes on one line
    return [Text.assemble(*pair) for pair in zip(left, [Text("  ")] * most, right, strict=True)]
