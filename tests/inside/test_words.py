"""Every sentence is there in both languages, with the same gaps, and every finding has one."""

import re
import string
from pathlib import Path

import pytest

import fourstep as fs
from fourstep.inside import remarks
from fourstep.inside.words import pick_language, sentences
from fourstep.inside.wrapping import wrap


def gaps(sentence: str) -> set[str]:
    """The names of what is filled in."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


@pytest.mark.parametrize("code", sentences())
def test_both_languages_say_the_same(code: str) -> None:
    """The same gaps; Chinese is Chinese, English is not."""
    both = sentences()[code]
    assert both.keys() == {"en", "zh"}
    assert gaps(both["en"]) == gaps(both["zh"])
    assert both["en"].isascii()


def test_every_finding_has_a_sentence_with_a_mend() -> None:
    """Of those that the code may make."""
    source = Path(remarks.__file__).read_text(encoding="utf-8")
    codes = set(re.findall(r'code="(\w+)"', source))

    assert len(codes) > 20
    for code in codes:
        assert "Mend: " in sentences()[code]["en"]
        assert "改法：" in sentences()[code]["zh"]  # noqa: RUF001 - Chinese


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "zh_TW"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh"),
    ],
)
def test_the_language_is_that_of_the_environment(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of LC_ALL, LC_MESSAGES and LANG that is set."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert pick_language() == expected
    assert pick_language("en") == "en"


def test_another_language_is_refused() -> None:
    """By the nearest, or by those that there are."""
    with pytest.raises(fs.UnknownNameError, match="unknown language 'fr': there are: en, zh"):
        pick_language("fr")


def test_lines_break_between_chinese_characters_and_at_spaces() -> None:
    """No line is too wide, none begins with a closing mark, and nothing is lost."""
    text = "损失是 2.6。猜测时损失是 ln 10 = 2.303，改法：nn.CrossEntropyLoss。 " * 3  # noqa: RUF001 - Chinese
    for width in (24, 40, 61):
        lines = wrap(text, width)
        assert all(sum(1 + (not c.isascii()) for c in line) <= width for line in lines)
        assert not any(line.startswith(tuple("，。：；、）”")) for line in lines)  # noqa: RUF001 - Chinese
        assert "".join("".join(lines).split()) == "".join(text.split())
