"""One thing that is wrong with a data set."""

from dataclasses import dataclass

from fourstep.errors import one_line


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that trains badly, or not as intended.

    Attributes:
        name: what it is, in few words; the same for every data set.
        where: the split, the class or the column.
        text: what was seen, with its numbers.
        mend: what to do about it.

    >>> print(Finding(name="one class alone", where="val", text="all 10 are 'cat'", mend="Split by stratify=True"))
    val: one class alone: all 10 are 'cat'. Split by stratify=True
    """

    name: str
    where: str
    text: str
    mend: str

    def __str__(self) -> str:
        return one_line(f"{self.where}: {self.name}: {self.text}. {self.mend}")
