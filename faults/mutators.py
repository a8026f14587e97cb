"""What makes a valid file a little wrong, or very: bits, lengths, odd numbers and texts, nesting, lies about sizes."""

import gzip
import json
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random
from typing import Any

MOST_BYTES = 2**21  # of an input; what grows by a factor stops there
MOST_PLACES = 20_000  # of a tree that is still changed

NUMBERS: tuple[Any, ...] = (
    *(0, 1, -1, 2, 7, 255, 256, 2**16, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**12, -(10**30)),
    *(10**400, 0.5, -0.0, 1e-320, 1e308, math.nan, math.inf, -math.inf, True, False),
)
TEXTS = (
    *("", " ", "0", "-1", "nan", "true", "null", "1e999", "a\nb", "a\r\nb", "\0", "\x1b[31mred", "\ud800", "\udcff"),
    *("../../x", "/", ".", "x" * 300, "x" * 70_000, "\u202e", "\u2028", "\u0663", "\u4e2d\u6587", "%s%n{0}", "$tensor"),
)
RAW = {  # what json.dumps would not write; it stands there in quotes first
    "@deep@": "[" * 60_000 + "]" * 60_000,
    "@deeper@": '{"a":' * 3_000 + "1" + "}" * 3_000,
    "@open@": "[" * 60_000,
    "@digits@": "9" * 6_000,
    "@some digits@": "9" * 4_000,
    "@exponent@": "1e999",
    "@minus@": "-",
    "@control@": '"a\nb"',
    "@half@": '"\\ud800"',
    "@escape@": '"\\x"',
}
TOML = (
    *(
        "true",
        "-1",
        "0",
        "1.5",
        "inf",
        "-nan",
        "1e999",
        '""',
        '"\\u0000"',
        '"\\ud800"',
        "'a'",
        "[]",
        "[[1], 'a']",
        "{}",
    ),
    *(
        "1979-05-27",
        "07:32:00",
        "1979-05-27T07:32:00Z",
        "0x_",
        "0xffffffffffffffffffff",
        "1_000",
        '"""a\nb"""',
        "{a.b=1}",
    ),
    *("9" * 6_000, "9" * 4_000, "[" * 5_000 + "]" * 5_000, "{a=" * 5_000 + "1" + "}" * 5_000, "'" + "x" * 70_000 + "'"),
)


def mutate_bytes(draw: Random, content: bytes, words: Sequence[bytes] = (b"\0", b"\xff\xff\xff\xff")) -> bytes:
    """Bits flipped, parts cut, doubled, exchanged, overwritten; words put in."""
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        start, end = sorted(draw.randrange(len(content) + 1) for _ in range(2))
        end = min(end, start + draw.choice((1, 2, 8, 64, len(content))))
        before, part, after = content[:start], content[start:end], content[end:]
        match draw.randrange(8):
            case 0 | 1:
                bit = 1 << draw.randrange(8)
                content = before + bytes([part[0] ^ bit]) + part[1:] + after if part else before + b"\xef\xbb\xbf"
            case 2:
                content = before + after
            case 3:
                content = before + part * draw.choice((2, 3, 50)) + after
            case 4:
                content = before + draw.randbytes(len(part)) + after
            case 5:
                content = before
            case 6:
                content = after + part + before
            case _:
                content = before + draw.choice(words) + draw.choice((part, b"")) + after
        content = content[:MOST_BYTES]
    return content


def mutate_json(draw: Random, content: bytes) -> bytes:
    """A value replaced by an odd one, a name lost, changed or given twice, or the bytes changed."""
    if draw.random() < 0.2:  # noqa: PLR2004 - a share
        return mutate_bytes(draw, content, [raw.encode("utf-8") for raw in RAW.values()])
    try:
        tree = [json.loads(content)]
    except (ValueError, RecursionError):  # it was changed before
        return mutate_bytes(draw, content)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        places = list(islice(_places(tree), MOST_PLACES))
        if len(places) == MOST_PLACES:
            break
        _change(draw, *draw.choice(places))
    text = json.dumps(tree[0], ensure_ascii=draw.random() < 0.8, separators=draw.choice(((",", ":"), (", ", ": "))))  # noqa: PLR2004 - a share
    for mark, raw in RAW.items():
        text = text.replace(f'"{mark}"', raw)
    text = text.replace("@twice@", draw.choice(["step", "model", "loss", "$tensor"]))
    return text.encode("utf-8", draw.choice(("surrogatepass", "replace")))


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Everything in a tree, as what holds it and under which name."""
    for name, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield tree, name
        if isinstance(value, dict | list):
            yield from _places(value)


def _change(draw: Random, holder: Any, name: Any) -> None:
    """Change what is in one place."""
    value = holder[name]
    match draw.randrange(8 if isinstance(holder, dict) else 6):
        case 0 | 1:
            holder[name] = draw.choice(NUMBERS)
        case 2:
            holder[name] = draw.choice(TEXTS)
        case 3:
            holder[name] = draw.choice((None, [], {}, [value], {"a": value}, [[]], {"": None}, [value] * 30))
        case 4:
            holder[name] = draw.choice(list(RAW))
        case 5:
            holder[name] = _nearby(draw, value)
        case 6:
            del holder[name]
        case _:
            del holder[name]
            holder[draw.choice((*TEXTS, "@twice@", f"{name}x"))] = value


def _nearby(draw: Random, value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, str):
        return draw.choice((value[:-1], value + value, value.upper(), value[::-1], value + draw.choice(TEXTS)))
    if isinstance(value, int | float):
        return draw.choice(
            (
                value + 1,
                value - 1,
                -value,
                value * 2,
                str(value),
                value / 3 if isinstance(value, float) else float(value % 1000),
            )
        )
    if isinstance(value, dict):
        return list(value.items())
    return value[::-1] if isinstance(value, list) else draw.choice((0, "", [], {}))


def mutate_safetensors(draw: Random, content: bytes) -> bytes:
    """Lies in the header, of the header's length, or in any byte."""
    length = int.from_bytes(content[:8], "little")
    header, data = content[8 : 8 + length], content[8 + length :]
    kind = draw.random()
    if kind < 0.6:  # noqa: PLR2004 - a share
        header = mutate_json(draw, header)
        header += b" " * (-len(header) % 8)
        return (
            len(header).to_bytes(8, "little") + header + draw.choice((data, data, data, data[:-1], data + b"\0", b""))
        )
    if kind < 0.75:  # noqa: PLR2004 - a share
        claim = draw.choice((0, 1, length - 1, length + 1, len(content), 2**24, 2**24 + 1, 10**8, 2**63, 2**64 - 1))
        return claim.to_bytes(8, "little") + content[8:]
    return mutate_bytes(draw, content)


def mutate_idx(draw: Random, content: bytes) -> bytes:
    """Lies about type, dimensions and sizes; longer or shorter than it says; packed, and then changed again."""
    head, rest = bytearray(content[:4]), content[4:]
    for _ in range(draw.choice((0, 1, 1, 2))):
        place = draw.randrange(4 + head[3] if head[3] < 5 else 4)  # noqa: PLR2004 - dimensions
        if place < 4:  # noqa: PLR2004 - the magic number
            head[place] = draw.choice((0, 1, 2, 3, 4, 5, 8, 9, 0x0D, 255, draw.randrange(256)))
        else:
            size = draw.choice((0, 1, 2, 3, 8, 28, 255, 2**16, 2**20, 2**27, 2**31, 2**32 - 1, draw.randrange(2**32)))
            at = 4 * (place - 4)
            rest = rest[:at] + size.to_bytes(4, "big") + rest[at + 4 :]
    content = bytes(head) + rest
    if draw.random() < 0.5:  # noqa: PLR2004 - a share
        content = mutate_bytes(draw, content)
    if draw.random() < 0.5:  # noqa: PLR2004 - a share
        content = _packed(draw, content)
    return content


def _packed(draw: Random, content: bytes) -> bytes:
    """In gzip; perhaps in several members, with a wrong checksum, with more behind it, or damaged."""
    if draw.random() < 0.01:  # noqa: PLR2004 - a share
        content = content[:16] + bytes(2**25)  # a small bomb
    packed = gzip.compress(content, 1, mtime=0)
    match draw.randrange(8):
        case 0:
            middle = draw.randrange(len(content) + 1)
            return gzip.compress(content[:middle], 1, mtime=0) + gzip.compress(content[middle:], 1, mtime=0)
        case 1:
            return packed[:-8] + zlib.crc32(b"").to_bytes(4, "little") + packed[-4:]
        case 2:
            return packed + draw.choice((b"\0" * 100, b"x", packed))
        case 3 | 4:
            return mutate_bytes(draw, packed)
        case _:
            return packed


def mutate_toml(draw: Random, content: bytes) -> bytes:
    """Values, names and tables replaced by odd ones, lines lost or doubled, or the bytes changed."""
    if draw.random() < 0.2:  # noqa: PLR2004 - a share
        return mutate_bytes(draw, content, [value.encode("utf-8") for value in TOML])
    lines = content.decode().splitlines()
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        at = draw.randrange(len(lines))
        name, equals, _ = lines[at].partition("=")
        match draw.randrange(8):
            case 0 | 1 | 2 | 3 if equals:
                lines[at] = f"{name}= {draw.choice(TOML)}"
            case 4 if equals:
                lines[at] = draw.choice(("", "a.b.", "'' . ", '"a\\nb".', "x" * 300 + ".")) + lines[at]
            case 5:
                lines[at : at + 1] = [lines[at]] * draw.choice((0, 2))
            case 6:
                table = draw.choice(("settings", "settings.recipe", "data", "a." * 3_000 + "a", "''", '"\\u001b[31m"'))
                lines.insert(at, draw.choice(("[{}]", "[[{}]]")).format(table))
            case _:
                lines[at] = re.sub(r"\d+", str(draw.choice((10**9, 10**30, -1, 0, ".1", "1e5"))), lines[at])
    joined = draw.choice(("\n", "\n", "\r\n", "\r")).join(lines)
    return draw.choice((b"", b"", b"", b"\xef\xbb\xbf")) + (joined + "\n").encode(
        draw.choice(["utf-8"] * 9 + ["utf-16"])
    )


def mutate_lines(draw: Random, content: bytes) -> bytes:
    """JSON lines: some of them changed, lost, doubled, joined or out of order."""
    lines = content.splitlines()
    for _ in range(draw.choice((1, 1, 2, 5))):
        at = draw.randrange(len(lines))
        match draw.randrange(8):
            case 0:
                lines.insert(at, draw.choice((b"", b"[]", b"1", b"null", b"{}", b"\xff", lines[at], lines[at] * 2)))
            case 1:
                lines[at] = mutate_bytes(draw, lines[at])
            case 2:
                draw.shuffle(lines)
            case _:
                lines[at] = mutate_json(draw, lines[at])
    return draw.choice((b"\n", b"\n", b"\n", b"\r\n", b"\n\n", "\u2028".encode())).join(lines)
