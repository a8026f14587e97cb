"""Odd input that is guided: what steers a generator, and that the program finds what is wrong."""

import sys

import pytest
from faults.guided import Steered, main


def test_bytes_choose_everything_that_a_mutator_can_choose() -> None:
    """Each of several things is chosen by some two bytes, and the same bytes choose the same again."""
    things = list(range(26))
    chosen = {Steered(bytes([0, high])).choice(things) for high in range(256)}
    again = [[Steered(b"abcd" * 9).randrange(1000) for _ in range(3)], Steered(b"abcd" * 9).sample(things, 5)]

    assert chosen == set(things)
    assert again == [[Steered(b"abcd" * 9).randrange(1000)] * 3, Steered(b"abcd" * 9).sample(things, 5)]


def test_one_byte_changes_one_choice() -> None:
    """The second choice is the second pair's, so that libFuzzer can change it and leave the first."""

    def two(steer: bytes) -> tuple[float, float]:
        draw = Steered(steer)
        return draw.random(), draw.random()

    assert two(b"\0\x80\0\x40") == (0.5, 0.25)
    assert two(b"\0\x80\0\xc0") == (0.5, 0.75)


def test_where_the_bytes_end_chance_goes_on_and_repeats() -> None:
    """An input is made by its bytes alone."""
    short, again, other = Steered(b"x"), Steered(b"x"), Steered(b"y")
    numbers = [[draw.random() for _ in range(9)] for draw in (short, again, other)]

    assert numbers[0] == numbers[1]
    assert numbers[0][1:] != numbers[2][1:]
    assert all(isinstance(Steered(b"").getrandbits(count), int) for count in (1, 8, 64))


def test_the_bits_are_as_many_as_asked() -> None:
    """`randbytes` and `randrange` lean on it."""
    steers = (bytes([first, second]) * 20 for first in (0, 127, 255) for second in (0, 1, 200, 255))
    draws = [Steered(steer) for steer in steers]

    assert all(draw.getrandbits(count).bit_length() <= count for draw in draws for count in (1, 3, 8, 16, 17, 64, 200))


def test_without_atheris_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no part of the development environment."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["guided.py"])
    with pytest.raises(SystemExit) as left:
        main()

    assert "pip install atheris" in str(left.value)
