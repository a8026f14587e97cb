"""Files that a stranger gives: none of them runs anything, fills the memory, hangs, or writes on the screen."""

import platform
import random
from functools import cache
from importlib import import_module

from faults.hostile_arrays import array_cases
from faults.hostile_data import data_cases
from faults.hostile_runs import prepare, run_cases
from faults.hostile_watch import Case, try_case
from faults.hostile_weights import weights_cases
from faults.trial import Fault, Site


@cache
def all_cases() -> list[Case]:
    """Every hostile file with its door, in an order that stays."""
    return [*weights_cases(), *run_cases(), *data_cases(), *array_cases()]


def import_doors() -> None:
    """What the doors import when they need it, so that it does not count as the file's time."""
    for name in (
        "PIL.Image", "fourstep.cli", "fourstep.show.figure", "fourstep.show.grid", "matplotlib.backends.backend_agg",
        "matplotlib.backends.backend_svg", "numpy.lib.format", "rich.console", "rich.table", "safetensors.torch",
        "torch._weights_only_unpickler", "tomli_w", "tarfile", "zipfile", "pickle", "encodings.idna",
    ):  # fmt: skip
        import_module(name)
    from PIL import Image  # noqa: PLC0415 - as above

    Image.init()
    platform.platform(), platform.processor()  # they ask a program once


def open_hostile(site: Site, _: random.Random, number: int) -> int:
    """Bring one hostile file to its door."""
    import_doors()
    prepare(site.root)
    try_case(all_cases()[number], site.fresh("case"))
    return 1


HOSTILE = Fault(
    name="hostile",
    what="files of strangers: pickles in every wrapping, bombs, lies, links, ways out, codes and HTML in names",
    short=1000,
    long=1000,
    body=open_hostile,
    plan=lambda _: len(all_cases()),
)
