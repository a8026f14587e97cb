"""`fourstep report`: a run as a page for a browser, or several runs compared."""

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from fourstep.errors import one_line
from fourstep.report.folders import save_comparison, save_report


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write a run's page for a browser anew, or a page that compares several runs.

    fourstep report runs/lenet

    fourstep report runs/lenet runs/mlp --output lenet-or-mlp.html
    """

    runs: Positional[Annotated[tuple[str, ...], arg(metavar="RUN", help="runs' folders, such as runs/lenet")]]
    output: Annotated[
        str | None,
        arg(
            metavar="FILE",
            help="the page to write",
            help_behavior_hint="(default: RUN/report.html, or comparison.html for several)",
        ),
    ] = None

    def execute(self) -> None:
        """Write the page, say where."""
        if len(self.runs) == 1:
            path = save_report(self.runs[0], self.output)
        else:
            path = save_comparison(self.runs, self.output or "comparison.html")
        print(one_line(str(path)))
