"""`fourstep weights show`, `compare` and `convert`: weights files of any origin, with none of their code run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg, subcommand

from fourstep.runs.comparing import Comparison, compare_tensors, plain_names
from fourstep.runs.foreign import convert_weights
from fourstep.runs.reading import read_tensors, said

FILE_HELP = arg(metavar="FILE", help=".safetensors, or .pt, .pth, .bin, .ckpt or .tar of torch.save; or a run's folder")
KEY_HELP = arg(
    metavar="KEY",
    help="where in a checkpoint the weights are, such as model or ema.model",
    help_behavior_hint="(default: the one place there is)",
)


@dataclass(frozen=True, kw_only=True)
class ShowWeights:
    """List the tensors of a weights file: name, shape, type, numbers.

    fourstep weights show resnet18.pth
    """

    file: Positional[Annotated[str, FILE_HELP]]
    key: Annotated[str | None, KEY_HELP] = None

    def execute(self) -> None:
        """Print a table and a line of totals."""
        tensors = read_tensors(self.file, key=self.key)
        rows = [
            (name, str(tuple(tensor.shape)), str(tensor.dtype).removeprefix("torch."), f"{tensor.numel():,}")
            for name, tensor in tensors.items()
        ]
        _print_table(("name", "shape", "type", "numbers"), rows)
        numbers = sum(tensor.numel() for tensor in tensors.values())
        size = sum(tensor.nbytes for tensor in tensors.values())
        print(f"{len(tensors)} tensors, {numbers:,} numbers, {size / 1e6:.1f} MB")


@dataclass(frozen=True, kw_only=True)
class CompareWeights:
    """List what differs between two weights files in names, shapes and types; the second may be a run's folder.

    fourstep weights compare resnet18.pth runs/mine
    """

    file: Positional[Annotated[str, FILE_HELP]]
    other: Positional[Annotated[str, arg(metavar="OTHER", help="the same, to compare with")]]
    key: Annotated[str | None, KEY_HELP] = None

    def execute(self) -> None:
        """Print a table of the differences and a line that counts."""
        theirs, ours = read_tensors(self.file, key=self.key), read_tensors(self.other)
        names, own_names = plain_names(theirs), plain_names(ours)
        found = compare_tensors(
            {names[name]: tensor for name, tensor in theirs.items()},
            {own_names[name]: tensor for name, tensor in ours.items()},
        )
        rows = list(_differences(found))
        if rows:
            _print_table(("name", "difference"), rows)
        converted = f" ({len(found.other_dtype)} in another type)" if found.other_dtype else ""
        print(f"{len(found.fitting)} fit{converted}, {len(rows) - len(found.other_dtype)} do not")


@dataclass(frozen=True, kw_only=True)
class ConvertWeights:
    """Write a weights file's tensors as safetensors, which no reader can be made to run.

    fourstep weights convert resnet18.pth resnet18.safetensors
    """

    file: Positional[Annotated[str, FILE_HELP]]
    output: Positional[Annotated[str, arg(metavar="OUT", help="a new file that ends in .safetensors")]]
    key: Annotated[str | None, KEY_HELP] = None

    def execute(self) -> None:
        """Write the file, say what is in it."""
        tensors = convert_weights(self.file, self.output, key=self.key)
        print(f"{self.output}: {len(tensors)} tensors, {sum(t.nbytes for t in tensors.values()) / 1e6:.1f} MB")
        print(f"next:   fourstep.load_foreign_weights(model, {self.output!r}) in Python")


@dataclass(frozen=True, kw_only=True)
class WeightsCommand:
    """Weights files of any origin: look into one, compare two, convert one to safetensors. None of their code runs."""

    what: (
        Annotated[ShowWeights, subcommand("show")]
        | Annotated[CompareWeights, subcommand("compare")]
        | Annotated[ConvertWeights, subcommand("convert")]
    )

    def execute(self) -> None:
        """Do what was asked."""
        self.what.execute()


def _differences(found: Comparison) -> Iterable[tuple[str, str]]:
    """A row per name that does not fit, or fits in another type."""
    yield from ((name, "only in OTHER") for name in found.missing)
    yield from ((name, "only in FILE") for name in found.excess)
    yield from ((name, f"shape {tuple(a)}, in OTHER {tuple(b)}") for name, (a, b) in found.other_shape.items())
    types = {**found.other_kind, **found.other_dtype}
    yield from ((name, f"type {a}, in OTHER {b}".replace("torch.", "")) for name, (a, b) in types.items())
    yield from ((name, "shared in OTHER, not in FILE") for name in found.torn)


def _print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table; where no terminal reads it, every row is one line."""
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.table import Table  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415 - slow to import

    table = Table(*heads, box=None)
    for row in rows:
        table.add_row(*(Text(said(cell), overflow="fold") for cell in row))  # a file's names are no markup
    console = Console()
    if not console.is_terminal:
        console.width = 1000
    console.print(table)
