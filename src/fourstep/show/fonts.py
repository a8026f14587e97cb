"""Fonts for the signs that matplotlib's own lacks, Chinese ones first of all."""

import warnings

from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names
from matplotlib.text import Text

from fourstep.errors import FourstepWarning, one_line

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


_FIRST = "\u2e80"  # of Unicode's signs for Chinese, Japanese and Korean; matplotlib's own font has none from here on


def add_fonts(figure: Figure) -> None:
    """Let texts with such signs fall back on whichever of these fonts are installed; warn where none is."""
    texts = [text for text in figure.findobj(Text) if max(text.get_text(), default="") >= _FIRST]
    if not texts:
        return
    installed = set(get_font_names())
    found = [family for family in FAMILIES if family in installed]
    if not found:
        warnings.warn(
            f"no font for {one_line(texts[0].get_text())!r:.60} in the picture: expected an installed one, such as "
            f"{FAMILIES[0]}. Install it, or write a .svg",
            FourstepWarning,
            stacklevel=2,
        )
    for text in texts:
        text.set_fontfamily([*text.get_fontfamily(), *found])
