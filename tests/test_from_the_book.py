"""The pages that lead from the book's names to fourstep's: each pair leaves equal weights, each name is there."""

import ast
import inspect
import re
from operator import attrgetter
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
import torch
from torch import Tensor, nn

import fourstep as fs
from fourstep import d2l
from fourstep.data.order import loader_order

ROOT = Path(__file__).parent.parent
ENGLISH, CHINESE = ((ROOT / f"docs/from-the-book{twin}.md").read_text(encoding="utf-8") for twin in ("", ".zh-CN"))
FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist
CHAPTERS = ["linear", "softmax", "mlp", "lenet", "resnet"]
EPOCHS, TRAIN, TEST, LARGEST = 2, 400, 200, 16  # pixels a side where images are resized


def blocks_of(page: str) -> list[str]:
    """The page's Python blocks, without their comments."""
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    return ["\n".join(line.partition("  #")[0] for line in block.splitlines()) for block in blocks]


PAIRS = dict(zip(CHAPTERS, zip(*[iter(blocks_of(ENGLISH))] * 2, strict=False), strict=False))


def table_of(page: str) -> list[tuple[list[str], list[str]]]:
    """The code in the two columns of the page's table, row by row; of the second without an order."""
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    return [(re.findall(r"`(.+?)`", book), sorted(re.findall(r"`(.+?)`", ours))) for book, ours in rows]


def cut(split: fs.Batches, num_items: int, *, shuffle: bool) -> fs.Batches:
    """The first items of a split, in the book's order, made ready as they were."""
    order = loader_order(num_items, shuffle=shuffle)
    inputs, targets = split.inputs[:num_items], split.targets[:num_items]
    return fs.Batches(inputs, targets, batch_size=split.batch_size, order=order, prepare=split.prepare)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few and small images, the CPU, no window, and a folder that may be written to."""
    load_all = d2l.load_data_fashion_mnist

    def load(batch_size: int, resize: int | None = None) -> tuple[fs.Batches, fs.Batches]:
        train, test = load_all(batch_size, None if resize is None else min(resize, LARGEST))
        return cut(train, TRAIN, shuffle=True), cut(test, TEST, shuffle=False)

    monkeypatch.setattr(d2l, "load_data_fashion_mnist", load)
    for backend in (torch.cuda, torch.xpu):
        monkeypatch.setattr(backend, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")


def weights_of(program: str, name: str) -> list[Tensor]:
    """What a program leaves in its model, parameters and buffers, after fewer epochs."""
    shorter, replaced = re.subn(r"num_epochs = \d+", f"num_epochs = {EPOCHS}", program)
    assert replaced == 1
    namespace: dict[str, Any] = {}
    exec(shorter, namespace)  # noqa: S102 - our own page
    model: nn.Module = namespace[name]
    return list(model.state_dict().values())


@pytest.mark.parametrize("chapter", CHAPTERS)
@pytest.mark.filterwarnings("ignore:after epoch")  # that few images do not reach the book's numbers
@pytest.mark.usefixtures("small", "one_thread")
def test_a_pair_leaves_the_same_weights(chapter: str) -> None:
    """The book's way and fourstep's, bit for bit, buffers of batch normalisation included."""
    if chapter != "linear" and not FASHION_MNIST.is_dir():
        pytest.skip("needs Debian's package dataset-fashion-mnist")
    left, right = PAIRS[chapter]
    book, ours = weights_of(left, "net"), weights_of(right, "model")

    assert len(book) == len(ours) > 0
    assert all(torch.equal(a, b) for a, b in zip(book, ours, strict=True))


@pytest.mark.usefixtures("small", "one_thread")
def test_another_seed_leaves_other_weights() -> None:
    """So that the comparison above is one of trained weights that could differ."""
    book = PAIRS["linear"][0]
    assert not torch.equal(weights_of(book, "net")[0], weights_of(book.replace("seed(0)", "seed(1)"), "net")[0])


@pytest.fixture
def known() -> dict[str, Any]:
    """What the table's names stand for."""
    model = nn.Linear(1, 1)
    data = fs.Data(train=[(torch.zeros(1, 1), torch.zeros(1, 1))])
    run = fs.fit(model, data, nn.MSELoss(), torch.optim.SGD(model.parameters()), epochs=1, show="none")
    objects = {"data": data, "run": run, "epoch": run.epoch, "model": model, "x": torch.zeros(1)}
    return {"fs": fs, "torch": torch, "nn": nn, "plt": d2l.plt, **objects}


def look_up(path: str, known: dict[str, Any]) -> Any:
    """What a name with dots stands for."""
    first, _, rest = path.partition(".")
    return attrgetter(rest)(known[first])


def calls_of(code: str) -> list[ast.Call]:
    """The calls of dotted names in a line of Python; none in what is no Python, as a command."""
    try:
        tree = ast.parse(f"{code} pass" if code.endswith(":") else code)
    except SyntaxError:
        return []
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if re.fullmatch(r"\w+(\.\w+)+", ast.unparse(call.func))]


def fits(call: ast.Call, known: dict[str, Any]) -> bool:
    """Does what is called take these arguments, by their number and their keywords?"""
    signature = inspect.signature(look_up(ast.unparse(call.func), known))
    try:
        signature.bind(*call.args, **{str(keyword.arg): keyword.value for keyword in call.keywords})
    except TypeError:
        return False
    return True


def test_every_name_of_the_table_is_there(known: dict[str, Any]) -> None:
    """The book's under `d2l`, each once and none left out; and what stands for it under `fs`, torch or matplotlib."""
    names = [name for book, _ in table_of(ENGLISH) for name in book]
    assert sorted(names) == sorted(name for name in d2l.__all__ if not name.endswith("Result"))
    spans = [re.sub(r'"[^"]*"', "", code) for _, ours in table_of(ENGLISH) for code in ours]  # without texts in quotes
    for code in spans:
        for path in re.findall(r"(?<![\w./])[a-z]+(?:\.[a-zA-Z]\w*)+", code):
            look_up(path, known)


def test_every_call_of_the_table_has_arguments_that_are_taken(known: dict[str, Any]) -> None:
    """Their number and their keywords; torch's own methods of a tensor do not tell theirs."""
    calls = [call for _, ours in table_of(ENGLISH) for code in ours for call in calls_of(code)]
    told = [call for call in calls if not ast.unparse(call.func).startswith("x.")]

    assert {"fs.fit", "fs.evaluate", "run.epochs", "run.plot"} <= {ast.unparse(call.func) for call in told}
    assert [ast.unparse(call) for call in told if not fits(call, known)] == []
    wrong = "fs.fit(model, data, loss_fn, optimizer, num_epochs=10)", "fs.Run(model)", "fs.data.fashion_mnist(batch=1)"
    assert not any(fits(call, known) for code in wrong for call in calls_of(code))


def test_both_languages_show_the_same_programs_and_names() -> None:
    """A reader of either page is told the same."""
    assert blocks_of(ENGLISH) == blocks_of(CHINESE)
    assert len(blocks_of(ENGLISH)) == 2 * len(CHAPTERS) + 1
    assert table_of(ENGLISH) == table_of(CHINESE)


def test_the_mend_for_house_prices_works() -> None:
    """Missing values and texts become one tensor of floats, where the chapter's own lines fail today."""
    pd = pytest.importorskip("pandas")
    features = pd.DataFrame({"area": [50.0, 60.0, 70.0], "zone": ["A", None, "B"]})
    namespace = {"pd": pd, "torch": torch, "features": features}
    exec(blocks_of(ENGLISH)[-1], namespace)  # noqa: S102 - our own page

    assert list(namespace["numeric"]) == ["area"]
    expected = [[50, 1, 0, 0], [60, 0, 0, 1], [70, 0, 1, 0]]
    assert namespace["inputs"].tolist() == expected
    with pytest.raises(TypeError, match=r"can't convert np\.ndarray of type numpy\.object_"):
        torch.tensor(pd.get_dummies(features, dummy_na=True).values)


def test_links_lead_to_files() -> None:
    """Every relative link of the pages, and theirs to one another."""
    for page in (ENGLISH, CHINESE):
        targets = re.findall(r"\]\((?!http)([^)#]+)\)", page)
        assert targets
        assert [target for target in targets if not (ROOT / "docs" / target).exists()] == []
