"""Fonts for the signs that matplotlib's own lacks, Chinese ones first of all."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names
from matplotlib.text import Text

from fourstep.errors import FourstepWarning

# What comes with Linux, Windows and macOS, and has Chinese, Japanese or Korean signs
FAMILIES = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Microsoft YaHei",
    "SimHei",
    "Malgun Gothic",
    "PingFang SC",
    "Hiragino Sans GB",
    "Heiti TC",
    "Apple SD Gothic Neo",
    "Arial Unicode MS",
)
_MISSING = re.compile(r"Glyph (\d+) .*missing from font")  # matplotlib's own words


@contextmanager
def with_fallbacks(figure: Figure) -> Iterator[None]:
    """While a figure is drawn its texts that are not plain ASCII fall back on whichever of these fonts are installed.

    Signs that are in none of them are boxes in the picture, which is said in one line, once.
    """
    texts = [(text, text.get_fontfamily()) for text in figure.findobj(Text) if not text.get_text().isascii()]
    installed = set(get_font_names()) if texts else set()
    for text, own in texts:
        text.set_fontfamily([*own, *(family for family in FAMILIES if family in installed)])
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    finally:
        for text, own in texts:
            text.set_fontfamily(own)
    missing = [_MISSING.match(str(one.message)) for one in caught]
    for one, sign in zip(caught, missing, strict=True):
        if sign is None:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    if signs := "".join(sorted({chr(int(sign[1])) for sign in missing if sign is not None})):
        _say_once(signs)


@cache
def _say_once(signs: str) -> None:
    warnings.warn(
        f"no installed font has {signs!r:.40} of the picture: expected one such as {FAMILIES[0]}. Install it, or write "
        "a .svg",
        FourstepWarning,
        stacklevel=2,
    )
