"""Runs of the command line in processes of their own, killed with SIGKILL before a chosen file operation.

Python's audit events announce every operation before it happens: a file opened for writing, a rename, a removal, a new
folder; ``os.fsync`` has none and is wrapped. A fork server has everything imported, so that a run takes a moment.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from PIL import Image
from safetensors.numpy import load_file

Command = Sequence[str | Path]

EVENTS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CONTEXT = multiprocessing.get_context("forkserver")
PRELOADED = """
    torch torch._dynamo pandas rich.table safetensors.torch fsbench.cli.main fsbench.engine.evaluate
    fsbench.training.run rich.console PIL.JpegImagePlugin PIL.PngImagePlugin pyarrow.pandas_compat
    fsbench.download.run fsbench.pictures.contact_sheet fusioner.cli fusioner.trainer mosaic4.push mosaic4.benchmark
    fsbench.benchmarks.coco.coco20i fsbench.benchmarks.pascal.coco_to_voc fsbench.benchmarks.toy.build
    fsbench.benchmarks.own.folder fsbench.benchmarks.fss.fss1000 scipy.io pycocotools.mask leaderboard.cli
    leaderboard.site.build tests.kills tests.fsbench.sample_models tests.fsbench.training.small_trainer
"""
CONTEXT.set_forkserver_preload(PRELOADED.split())

EVERY = [pytest.param(False, id="some"), pytest.param(True, id="all", marks=pytest.mark.long)]
"""Whether a test kills before every operation."""
READERS: dict[str, Callable[[Path], object]] = {
    ".json": lambda path: json.loads(path.read_bytes()),
    ".parquet": pyarrow.parquet.read_table,
    ".png": lambda path: Image.open(path).load(),
    ".safetensors": load_file,
}
"""Suffix -> reads the whole file, or fails."""


def start(
    commands: Sequence[Command], log: Path, kill_before: int | None = None, patch: Callable[[], object] | None = None
) -> Any:
    """Start ``commands``, one after the other, in a process that prints to ``log``.

    ``kill_before``: the number of the file operation, from 0, before which it kills itself. ``patch`` (pickled) is
    called there first. The process logs the number of its operations last.
    """
    texts = [[str(part) for part in command] for command in commands]
    process = CONTEXT.Process(target=_run, args=(texts, str(log), kill_before, patch))
    process.start()
    return process


def ended(process: Any) -> int:
    """The exit code of a process that must end within five minutes."""
    process.join(timeout=300)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
    process.close()
    assert code is not None, "hangs"
    return int(code)


def check_kills(
    commands: Sequence[Command],
    folder: Path,
    every: bool,
    *,
    prepare: Callable[[Path], object] = Path.mkdir,
    patch: Callable[[], object] | None = None,
    kills: int = 2,
    ignored: str = "",
    check: Callable[[Path], object] = lambda at: None,
) -> dict[str, Any]:
    """Kill the commands before ``every`` file operation, or before ``kills`` of them, and run them again each time.

    A killed run leaves no half-written file under a final name, and the next one ends with the bytes of an unkilled
    run, which are returned. They write to ``folder/out``, which ``prepare`` makes each time, ``{}`` in the commands
    stands for, and ``check`` looks at in the end. ``ignored``: a pattern of names that a kill may leave behind.
    """
    folder.mkdir(exist_ok=True)
    out, log = folder / "out", folder / "log.txt"
    filled = [[str(part).replace("{}", str(out)) for part in command] for command in commands]

    def run(kill_before: int | None) -> int:
        return ended(start(filled, log, kill_before, patch))

    def compared(at: Path) -> dict[str, Any]:
        return {name: data for name, data in contents(at).items() if not re.fullmatch(ignored, name)}

    prepare(out)
    before = compared(out)
    assert run(None) == 0, log.read_text()
    whole = compared(out)
    operations = int(log.read_text().splitlines()[-1])
    assert operations > kills
    for number in range(operations) if every else [operations * (2 * n + 1) // (2 * kills) for n in range(kills)]:
        shutil.rmtree(out)
        prepare(out)
        assert run(number) == -signal.SIGKILL, f"not killed before {number} of {operations}: {log.read_text()}"
        for name, data in compared(out).items():
            unfinished = name.startswith(".") or "/." in name or ".partial." in name
            if not unfinished and data not in (whole.get(name), before.get(name), EMPTY):
                READERS[Path(name).suffix](out / name)
        assert run(None) == 0, f"after a kill before operation {number}: {log.read_text()}"
        after = compared(out)
        assert sorted(after) == sorted(whole), f"after a kill before operation {number}"
        assert [name for name in whole if after[name] != whole[name]] == [], f"after a kill before {number}"
        check(out)
    return whole


EMPTY = "an empty folder"


def contents(folder: Path) -> dict[str, Any]:
    """Every file below ``folder``, hidden ones too, and empty folders; without timings."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            if not any(path.iterdir()):
                found[name] = EMPTY
        elif path.name in ("record.json", "training.json"):
            varying = ("timings",) if path.name == "record.json" else ("timings", "environment", "sha256")
            found[name] = {key: value for key, value in json.loads(path.read_bytes()).items() if key not in varying}
        else:
            found[name] = path.read_bytes()
    return found


def _run(commands: list[list[str]], log: str, kill_before: int | None, patch: Callable[[], object] | None) -> None:
    os.environ["GIT_DIR"] = os.devnull  # records name the commit, and somebody may commit during the test
    with Path(log).open("w", encoding="utf-8") as out, redirect_stdout(out), redirect_stderr(out):
        if patch is not None:
            patch()
        from fsbench.cli.main import main

        done = _count(kill_before)
        for command in commands:
            try:
                main(command)
            except SystemExit as end:
                out.flush()
                if end.code:
                    sys.exit(end.code)
        print(done())


def _count(kill_before: int | None) -> Callable[[], int]:
    """Kill this process before its file operation number ``kill_before``; gives how many there were."""
    done = 0

    def operation() -> None:
        nonlocal done
        if done == kill_before:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event in EVENTS or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES):
            operation()

    fsync = os.fsync

    def counted_fsync(descriptor: int) -> None:
        operation()
        fsync(descriptor)

    os.fsync = counted_fsync
    sys.addaudithook(hear)
    return lambda: done
