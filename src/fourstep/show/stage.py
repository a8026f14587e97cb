"""A terminal has room for one thing that moves: a second one would draw over the first."""

from collections.abc import Callable

_mover: object | None = None
_make_room: Callable[[], None] | None = None


def take_stage(mover: object, make_room: Callable[[], None] | None = None) -> bool:
    """May this move from now on? Not while something else does that makes no room.

    Args:
        mover: asks for itself.
        make_room: what it does when another asks; None where it stays until it leaves.
    """
    global _mover, _make_room  # noqa: PLW0603 - a process has one terminal
    if _mover is not mover and _make_room is not None:
        _make_room()
        _mover = None
    if _mover is None:
        _mover, _make_room = mover, make_room
    return _mover is mover


def leave_stage(mover: object) -> None:
    """This moves no more."""
    global _mover, _make_room  # noqa: PLW0603 - as above
    if _mover is mover:
        _mover = _make_room = None
