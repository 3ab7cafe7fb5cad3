"""Hostile records: ugly ones that must be shown harmlessly, and broken ones that must be refused.

``ugly_records`` are complete, with counts that give their scores, but every free text is an attack. Each of
``broken_records`` has one fault, which readers must report in one line, quickly and with little memory.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fsbench.records.counts import SCENE_SCHEMA, SCHEMA
from fsbench.records.record import read_record
from fsbench.records.recorded_model import config8
from tests.fsbench.results.saved_records import Episode, write_stored
from tests.leaderboard.sample_records import Change, altered, at

SCRIPT = "<script>document.title='pwned';window.pwned=1</script>"
RIGHT_TO_LEFT = "abc\u202egnp.exe\u202c \u2066x\u2069 \u200f\u061c"
CONTROLS = "a\x00b\x07c\x1b[31mred\x1b]0;title\x07\x7f\x9b31m\r\nnext line\u2028\u2029\x85"

TEXTS = {
    "script": SCRIPT,
    "image": '"><img src=x onerror="window.pwned=1"><a href=\'javascript:window.pwned=1\'>x</a>',
    "closing": "</script></style></title></textarea>--><svg onload=window.pwned=1>",
    "template": "{{7*7}}{% for x in y %}${7*7}#{7*7}<%= 7*7 %>",
    "markdown": "[x](javascript:window.pwned=1) ![x](data:text/html,x) | cell | `code` *a* _b_ \\ # h",
    "latex": r"\input{/etc/passwd} \write18{id} $x$ & % # _ ^ ~ { } \end{tabular}",
    "yaml": "- a: &x !!python/object/apply:os.system ['id']\n---\n'\" : #",
    "csv": "=cmd|'/C calc'!A0,@SUM(1),+1,-1\t\"x\"",
    "right-to-left": RIGHT_TO_LEFT,
    "controls": CONTROLS,
    "invisible": "zero\u200bwidth\ufeff\u00ad\u2060\U000e0041 \u3164",
    "piled": "Z" + "\u0300\u0301\u0302\u0303\u0489" * 60,
    "long": "W" * 400,
}
"""Name -> a text that stands in every free field of an ugly record."""

LINKS = (
    "javascript:window.pwned=1",
    " javascript:window.pwned=1",
    "JaVaScRiPt:window.pwned=1",
    "data:text/html,<script>window.pwned=1</script>",
    "vbscript:msgbox(1)",
    "//evil.example/x",
    "https://good.example@evil.example/",
    'https://evil.example/"onmouseover="window.pwned=1',
    "file:///etc/passwd",
    "\x01javascript:window.pwned=1",
    "https://xn--80ak6aa92e.example/\u202e",
    "http://[::1",
    "blob:https://evil.example/x",
)

ASKED: dict[str, list[Episode]] = {
    "0": [(f"image{n}", n % 2, 3 + n % 4, 10, 12 + n % 3, 100) for n in range(24)],
    "1": [(f"image{n}", 2 + n % 2, 5 + n % 3, 11 + n % 5, 12, 100) for n in range(24)],
}
CLASSES = {"0": (0, 1), "1": (2, 3)}


def made_up(folder: Path, *, model: str = "made-up") -> Path:
    """A whole record at its place below ``folder``; returns its ``record.json``."""
    path = write_stored(folder / "new", ASKED, CLASSES, model=model)
    return _put(path, folder)


def _put(path: Path, folder: Path) -> Path:
    place = folder / read_record(path).folder()
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path.parent, place)
    return place / "record.json"


def ugly_records(folder: Path) -> list[Path]:
    """Readable records below ``folder``, each at its place: one a text of ``TEXTS``, and one a link of ``LINKS``."""
    found = []
    for name, text in TEXTS.items():
        path = write_stored(folder / "new", ASKED, CLASSES, model=f"ugly-{name}")
        found.append(_put(altered(path, partial(_uglify, text=text)), folder))
    for number, link in enumerate(LINKS):
        path = write_stored(folder / "new", ASKED, CLASSES, model=f"link-{number}")
        found.append(_put(altered(path, at("model", "url", value=link)), folder))
    return found


def _uglify(said: dict[str, Any], text: str) -> None:
    """Put ``text`` into every free text and every free name of a record, none of which is folder or number."""
    model = said["model"]
    model |= dict.fromkeys(("description", "licence", "url", "spec", "weights_sha256"), text)
    model["options"] = {text[:100]: text, "plain": text}
    model["config8"] = config8(model["options"], model["precision"], text, {})
    training = {
        "checkpoint_sha256": text,
        "training_classes": [text, f"{text[:390]} again"],
        "training_data": text,
        "checkpoint_selected_by": text,
        "threshold_selected_by": text,
    }
    model["training"] = {"*": training, "0": training}
    said["benchmark"] |= dict.fromkeys(("title", "partition", "mask_rule", "builder_version"), text)
    for name, value in said["environment"].items():
        if isinstance(value, str) or name == "git_commit":
            said["environment"][name] = text
    for fold in said["folds"].values():
        fold["classes"] = {f"{text[:380]} {place}": c for place, c in enumerate(fold["classes"].values())}


def broken_records(folder: Path) -> dict[str, Path]:
    """What is wrong -> a ``record.json`` below ``folder``, each in one of its own, that is refused in one line."""
    found: dict[str, Path] = {}
    base = made_up(folder / ".base")
    for name, change in _JSON.items():
        found[name] = altered(_copy(base, folder / _slug(name)), change)
    for name, data in _BYTES(base).items():
        found[name] = _copy(base, folder / _slug(name))
        found[name].write_bytes(data)
    for name, make in _FILES.items():
        found[name] = _copy(base, folder / _slug(name))
        found[name].unlink()
        make(found[name])
    for what, file, ways in (("counts", "counts", _COUNTS), ("replicates", "bootstrap", _REPLICATES)):
        for name, spoil in ways.items():
            path = found[f"{what}: {name}"] = _copy(base, folder / _slug(f"{what} {name}"))
            spoil(path.with_name(f"{file}.parquet"))
    shutil.rmtree(folder / ".base")
    return found


def _copy(base: Path, folder: Path) -> Path:
    place = folder / base.parent.relative_to(base.parents[4])
    shutil.copytree(base.parent, place)
    return place / "record.json"


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name)


def _renamed(name: str) -> Change:
    """Fold 0 renamed wherever a record names it."""

    def change(said: dict[str, Any]) -> None:
        said["folds"][name] = said["folds"].pop("0")
        said["manifests_sha256"][name] = said["manifests_sha256"].pop("0")
        said["benchmark"]["folds"][0] = name

    return change


_CLASS = {"iou": None, "intersection": 0, "union": 0, "episodes": 0}
_JSON: dict[str, Change] = {
    **{f"benchmark {n!r}": at("benchmark", "name", value=n) for n in ("../up", "a/b", "a\\b", "..", "a\0", "/x", "")},
    **{f"fold {n!r}": _renamed(n) for n in ("../0", "a/b", "a\\b", "\0", SCRIPT, RIGHT_TO_LEFT, "0 1", "")},
    **{f"protocol {n!r}": at("protocol", value=n) for n in ("../fsbench-v1", "a/b", "..", SCRIPT)},
    **{f"modified {n!r}": at("modified", value=[n]) for n in ("mask-rule=../../x", "mask-rule=a/b", SCRIPT, "a\\b")},
    **{f"model name {n!r}": at("model", "name", value=n) for n in ("..", "../x", "a/b", "A", "a\0b", "a" * 81)},
    **{f"revision {n!r}": at("model", "revision", value=n) for n in ("..", "../1", "1\n")},
    "unknown protocol": at("protocol", value="mine-v1"),
    "other score named by a script": at("other", value={SCRIPT: {"score": 0.5, "ci95": None}}),
    "NaN seconds": at("timings", "seconds", value=float("nan")),
    "infinite seconds": at("timings", "seconds", value=float("inf")),
    "negative seconds": at("timings", "seconds", value=-1.0),
    "NaN score": at("miou", value=float("nan")),
    "score above 1": at("miou", value=1.5),
    "negative count": at("folds", "0", "episodes", value=-1),
    "count of 2^70": at("folds", "0", "episodes", value=2**70),
    "count of 4000 digits": at("folds", "0", "episodes", value=10**4000),
    "10^18 shots": at("shots", value=10**18),
    "seed 2^32": at("seed", value=2**32),
    "a limit of 0": at("limit", value=0),
    "class id of 2^40": at("folds", "0", "classes", "class_0", "class_id", value=2**40),
    "parameters of 2^80": at("model", "total_parameters", value=2**80),
    "a number as a name": at("model", "name", value=7),
    "wrong schema": at("schema", value="fsbench-record/2"),
    "an unknown field": at("surprise", value=SCRIPT),
    "an unknown field named by controls": at(CONTROLS + RIGHT_TO_LEFT, value=1),
    "a text of 401 characters": at("model", "licence", value="x" * 401),
    "20,000 classes": at("folds", "0", "classes", value={f"c{n}": _CLASS for n in range(20_000)}),
    "10^6 training classes": at("model", "training", value={"*": {"training_classes": ["x"] * 10**6}}),
    "40,000 training classes": at("model", "training", value={"*": {"training_classes": ["x"] * 40_000}}),
    "2,000 folds": at("benchmark", "folds", value=[f"f{n}" for n in range(2000)]),
    "200 options": at("model", "options", value={f"o{n}": "" for n in range(200)}),
    "100 modifications": at("modified", value=["limit=1"] * 100),
    "a checkpoint digest of a megabyte": at("model", "training", value={"*": {"checkpoint_sha256": "x" * 10**6}}),
    "a confusion that is no square": at(
        "folds", "0", "confusion", value={"class_ids": [-1, 0, 1], "pixels": [[1, 2, 3], [4, 5, 6]]}
    ),
    "a confusion of 300 classes": at(
        "folds", "0", "confusion", value={"class_ids": list(range(300)), "pixels": [[0] * 300] * 300}
    ),
}


def _BYTES(base: Path) -> dict[str, bytes]:  # noqa: N802 - stands beside the constants
    data = base.read_bytes()
    text = data.decode()
    one = json.dumps(_CLASS, separators=(",", ":"))
    million = ",".join(f'"{n:x}":{one}' for n in range(10**6 - 10**5))
    return {
        "empty": b"",
        "truncated": data[: len(data) // 2],
        "not UTF-8": data.replace(b"made-up", b"\xff\xfe\xc0\xaf", 1),
        "UTF-16": text.encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf" + data,
        "a lone surrogate": data.replace(b'"description": ""', b'"description": "\\ud800"', 1),
        "a key twice": data.replace(b'"evidence"', b'"evidence": "rerun",\n "evidence"', 1),
        "a million classes": f'{{"folds":{{"0":{{"classes":{{{million}}}}}}}}}'.encode(),
        "deep lists": b"[" * 100_000,
        "deep objects": b'{"a":' * 100_000,
        "deep lists, closed": b"[" * 100_000 + b"]" * 100_000,
        "a list": b"[]",
        "null": b"null",
        "a pickle": b"\x80\x04\x95\x0f\x00\x00\x00cos\nsystem\n(S'id'\ntR.",
    }


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2 * 2**30)


_FILES: dict[str, Callable[[Path], object]] = {
    "2 GB, sparse": _sparse,
    "a pipe": os.mkfifo,
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
}


def _varint(number: int) -> bytes:
    """An i32 or i64 of Thrift's compact protocol."""
    number, data = number << 1, b""
    while number > 127:
        data += bytes([number & 127 | 128])
        number >>= 7
    return data + bytes([number])


def _footer_replaced(path: Path, old: bytes, new: bytes) -> None:
    """The first ``old`` in a Parquet file's footer replaced by ``new``."""
    data = path.read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - length : -8]
    assert old in footer
    footer = footer.replace(old, new, 1)
    path.write_bytes(data[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1")


def _declared_rows(path: Path) -> None:
    """A file of 48 rows that says it has 10^10."""
    _footer_replaced(path, b"\x16" + _varint(48), b"\x16" + _varint(10**10))  # 0x16: the next field but one, an i64


def _declared_page(path: Path) -> None:
    """The first page says that it inflates to 2^31 - 1 bytes."""
    data = bytearray(path.read_bytes())
    assert (data[4], data[6]) == (0x15, 0x15)  # page type, then size: two i32 fields in a row
    end = 7
    while data[end] > 127:
        end += 1
    grown = data[:7] + _varint(2**31 - 1) + data[end + 1 :]
    path.write_bytes(bytes(grown))


def _columns(path: Path, **changed: Any) -> None:
    """The counts rewritten with other columns: arrays, or functions of the old column's values."""
    table = pq.read_table(path)
    for name, value in changed.items():
        place = table.schema.names.index(name)
        values = value(table[name].to_pylist()) if callable(value) else value
        array = values if isinstance(values, pa.Array) else pa.array(values, table.schema.field(name).type)
        table = table.set_column(place, name, array)
    pq.write_table(table, path, compression="zstd")


def _repeated(rows: int) -> Callable[[Path], None]:
    """So many equal rows, which take up next to nothing in the file."""

    def spoil(path: Path) -> None:
        table = pq.read_table(path).slice(0, 1)
        pq.write_table(table.take(pa.array([0] * rows, pa.int32())), path, compression="zstd", row_group_size=rows)

    return spoil


def _scene_bomb(path: Path) -> None:
    """One scene with lists of a million numbers."""
    row = pq.read_table(path).slice(0, 1).to_pydict()
    lists = {name: [[0] * 10**6] for name in ("tile_predicted", "object_predicted", "object_pixels")}
    pq.write_table(pa.table({**row, "position": [0], **lists}, schema=SCENE_SCHEMA), path, compression="zstd")


def _giant_string(size: int, **options: Any) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        table = pq.read_table(path)
        giant = pa.array(["\0" * size]).take(pa.array([0])).dictionary_encode()
        column = pa.DictionaryArray.from_arrays(pa.array([0] * table.num_rows, pa.int32()), giant.dictionary)
        table = table.set_column(2, "query", column)
        pq.write_table(table, path, compression="zstd", store_schema=False, **options)

    return spoil


def _one_giant(path: Path) -> None:
    """A page of 64 MiB of zeros, in a few kilobytes."""
    _columns(path, query=lambda old: ["\0" * 2**26, *old[1:]])


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


_COUNTS: dict[str, Callable[[Path], object]] = {
    "10^10 rows declared": _declared_rows,
    "a page of 2 GiB declared": _declared_page,
    "a million equal rows": _repeated(10**6),
    "scenes of a million tiles": _scene_bomb,
    "a page of zeros": _one_giant,
    "a string of 16 MiB in a dictionary": _giant_string(2**24),
    "a string of 300 kB in a dictionary": _giant_string(300_000),
    "prefixes shared": lambda p: pq.write_table(
        pq.read_table(p), p, use_dictionary=False, column_encoding={"query": "DELTA_BYTE_ARRAY"}
    ),
    "negative": lambda p: _columns(p, predicted=lambda old: [-1, *old[1:]]),
    "2^40 pixels": lambda p: _columns(p, valid=lambda old: [2**40, *old[1:]]),
    "2^62 pixels": lambda p: _columns(p, valid=lambda old: [2**62] * len(old)),
    "nulls": lambda p: _columns(p, truth=lambda old: [None, *old[1:]]),
    "NaN": lambda p: _columns(p, truth=lambda old: pa.array([float("nan")] * len(old))),
    "class -7": lambda p: _columns(p, class_id=lambda old: [-7, *old[1:]]),
    "a column more": lambda p: pq.write_table(pq.read_table(p).append_column("x", pa.array([SCRIPT] * 48)), p),
    "a column less": lambda p: pq.write_table(pq.read_table(p).drop_columns(["truth"]), p),
    "columns named by a script": lambda p: pq.write_table(pq.read_table(p).rename_columns([SCRIPT] * len(SCHEMA)), p),
    "a foreign writer": lambda p: _footer_replaced(p, b"parquet-cpp-arrow", b"parquet-mr-1.2.8x"),
    "truncated": lambda p: p.write_bytes(p.read_bytes()[:-40]),
    "half of it zeros": lambda p: p.write_bytes(p.read_bytes()[:200] + bytes(400) + p.read_bytes()[600:]),
    "empty": lambda p: p.write_bytes(b""),
    "a text": lambda p: p.write_text("PAR1 not PAR1"),
    "not there": Path.unlink,
    "a pipe": pipe,
}


def _with(column: Callable[[pa.Table], pa.Table]) -> Callable[[Path], object]:
    return lambda path: pq.write_table(column(pq.read_table(path)), path)


_REPLICATES: dict[str, Callable[[Path], object]] = {
    "a column less": _with(lambda table: table.drop_columns(["miou_fold0"])),
    "9,999 of them": _with(lambda table: table.slice(1)),
    "a million of them": _with(lambda table: pa.concat_tables([table] * 100)),
    "infinite": _with(lambda table: table.set_column(0, "miou_fold0", pa.array([float("inf")] * 10_000))),
    "as text": _with(lambda table: table.set_column(0, "miou_fold0", pa.array([SCRIPT] * 10_000))),
    "truncated": lambda p: p.write_bytes(p.read_bytes()[:1000]),
    "not there": Path.unlink,
    "a pipe": pipe,
}
