"""Every command that README and docs show is run, and every option of the command is shown in its help."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "README.zh-CN.md"]


def commands_of(page: str) -> list[str]:
    """The lines after `$ ` in the page's console blocks."""
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def test_both_languages_show_the_same_commands_and_code() -> None:
    """A reader of either page is told the same."""
    english, chinese = (
        (commands_of(page), re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL))
        for page in PAGES
    )

    def bare(blocks: list[str]) -> list[list[str]]:
        return [[line.partition("#")[0].rstrip() for line in block.splitlines()] for block in blocks]

    assert english[0] == chinese[0] != []
    assert bare(english[1]) == bare(chinese[1])


@pytest.mark.slow
def test_the_commands_of_the_readme_run(tmp_path: Path) -> None:
    """One after the other, in an empty folder, as a reader types them; `make`'s are targets of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in commands_of("README.md"):
        program, *arguments = command.split()
        if program == "make":
            assert re.search(rf"^{arguments[0]}:", makefile, re.MULTILINE)
            continue
        assert program == "fourstep"
        done = subprocess.run(
            [sys.executable, "-m", "fourstep", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), command

    assert (tmp_path / "runs/lenet/predictions.png").stat().st_size > 1000
    assert (tmp_path / "digits.png").stat().st_size > 1000


def test_links_lead_to_files() -> None:
    """Every relative link of a page is there."""
    for page in [*PAGES, "CONTRIBUTING.md", "CHANGELOG.md", "docs/design.md"]:
        text = (ROOT / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", ["docs/design.md", "README.md"])
def test_code_fences_are_closed(page: str) -> None:
    """A page that opens a block closes it."""
    assert (ROOT / page).read_text(encoding="utf-8").count("```") % 2 == 0
