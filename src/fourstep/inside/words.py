"""The page's sentences, in English and in Chinese: they stand in `words.toml`."""

import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from fourstep.errors import UnknownNameError

Language: TypeAlias = Literal["en", "zh"]

_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # in the order in which POSIX asks them


def pick_language(language: Any = None) -> Language:
    """The language of a page.

    Args:
        language: `"en"` or `"zh"`; None takes that of the environment: Chinese where the first of LC_ALL, LC_MESSAGES
            and LANG that is set begins with `zh`, else English.

    Raises:
        UnknownNameError: another one.
    """
    if language is None:
        spoken = next(filter(None, map(os.environ.get, _VARIABLES)), "")
        return "zh" if spoken.lower().startswith("zh") else "en"
    if language not in get_args(Language):
        raise UnknownNameError.of("language", str(language), get_args(Language))
    return "zh" if language == "zh" else "en"


def say(code: str, language: Language, **facts: object) -> str:
    """A sentence of the page, its gaps filled."""
    return sentences()[code][language].format(**facts)


@cache
def sentences() -> dict[str, dict[str, str]]:
    """All of them: code -> language -> sentence."""
    return tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))
