"""Class indices that cannot be learnt from: out of range, one class alone, a class without training samples, few of it.

Shapes: N samples.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from fourstep.data.checking.finding import Finding
from fourstep.data.samples import IGNORED

UNEQUAL = 20  # the largest training class has so many times the samples of the smallest


def check_labels(targets: Mapping[str, Tensor], classes: tuple[str, ...]) -> Iterator[Finding]:
    """What is wrong with the class indices of each split.

    Args:
        targets: split -> class indices, `(N,)` or one for each pixel or word, of which -100 is ignored; others, as
            probabilities, are not looked at.
        classes: K names.
    """
    plain = {name: some for name, some in targets.items() if not some.is_floating_point()}
    counts = {}
    for name, labels in plain.items():
        some = labels.flatten()
        outside = (some < 0) | (some >= len(classes))
        counts[name] = torch.bincount(some[~outside], minlength=len(classes))
        if labels.dim() > 1:
            outside &= some.long() != IGNORED  # bytes wrap around: 156 would be -100
        if bool(outside.any()):
            first = int(outside.nonzero()[0])
            sample = first * len(labels) // len(some)
            yield Finding(
                name="labels out of range",
                where=name,
                text=f"{int(outside.sum()):,} of {len(some):,}, the first is {int(some[first])} of sample {sample}",
                mend=f"Number the classes 0..{len(classes) - 1}, or name all of them",
            )
    for name, count in counts.items():
        there = count.nonzero().flatten().tolist()
        if len(there) == 1 and plain[name].numel() > 1:
            yield Finding(
                name="one class alone",
                where=name,
                text=f"all {int(count.sum()):,} samples are {classes[there[0]]!r}",
                mend="Split by stratify=True, or look whether the targets were read right",
            )
    if "train" in counts:
        yield from _check_train(counts["train"], counts, classes)


def _check_train(train: Tensor, counts: Mapping[str, Tensor], classes: tuple[str, ...]) -> Iterator[Finding]:
    missing = [classes[index] for index in (train == 0).nonzero().flatten().tolist()]
    if missing:
        judged = sum(int(count[train == 0].sum()) for name, count in counts.items() if name != "train")
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""  # noqa: PLR2004 - fits a line
        yield Finding(
            name="classes without training samples",
            where="train",
            text=f"{len(missing)} of {len(classes)}: {', '.join(missing[:3])}{more}; {judged:,} samples are judged",
            mend="Split by stratify=True, or leave these classes out",
        )
    there = train[train > 0]
    if len(there) > 1 and int(there.max()) >= UNEQUAL * int(there.min()):
        large, small = int(train.argmax()), int(torch.where(train > 0, train, train.max() + 1).argmin())
        yield Finding(
            name="unequal classes",
            where="train",
            text=f"{classes[large]!r} has {int(train[large]):,} samples, {classes[small]!r} {int(train[small]):,}",
            mend="Look at each class's accuracy in the report; nn.CrossEntropyLoss(weight=...) counts rare ones more",
        )
