"""One contender, once, in this process: `python benchmarks/worker.py CONTENDER WORK --out FILE`."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # where the package `benchmarks` is

import torch
from benchmarks.contenders import CONTENDERS
from benchmarks.works import WORKS, Contender, Work


def read_arguments() -> argparse.Namespace:
    """What to run, and where to put the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contender")
    parser.add_argument("work", choices=WORKS)
    for setting in ("samples", "batch_size", "epochs"):
        parser.add_argument(f"--{setting.replace('_', '-')}", type=int, help="default: the work's own")
    parser.add_argument("--out", type=Path, required=True, help="the file for the result, as JSON")
    return parser.parse_args()


def sized(work: Work, samples: int | None, batch_size: int | None, epochs: int | None) -> Work:
    """The work with other settings; None keeps its own."""
    return dataclasses.replace(
        work,
        samples=work.samples if samples is None else samples,
        batch_size=work.batch_size if batch_size is None else batch_size,
        epochs=work.epochs if epochs is None else epochs,
    )


def find_contender(name: str) -> Contender:
    """The contender of that name; the peers are looked at only where it is none of ours."""
    if name in CONTENDERS:
        return CONTENDERS[name]
    from benchmarks.peers import PEERS  # noqa: PLC0415 - so that the benchmark runs without them

    if name not in PEERS:
        sys.exit(f"there is no contender {name!r}: expected one of {', '.join([*CONTENDERS, *PEERS])}")
    return PEERS[name]


def warm_up() -> None:
    """One tiny update: torch imports half of itself with its first optimizer, which is nobody's training."""
    layer = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(torch.ones(1, 1)).sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def main() -> None:
    """Run the contender and write its result, whole or not at all."""
    arguments = read_arguments()
    work = sized(WORKS[arguments.work], arguments.samples, arguments.batch_size, arguments.epochs)
    contender = find_contender(arguments.contender)
    warm_up()
    result = contender(work)
    part = arguments.out.with_suffix(".part")
    part.write_text(json.dumps(dataclasses.asdict(result)))
    part.replace(arguments.out)


if __name__ == "__main__":
    main()
