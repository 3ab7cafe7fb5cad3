"""Runs of the command line in processes of their own, killed with SIGKILL before a chosen file operation.

Python's audit events tell of every operation before it happens: a file opened for writing, a rename, a removal, a new
folder; ``os.fsync`` has none and is wrapped. A fork server has everything imported, so that a run takes a moment.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from itertools import count
from pathlib import Path
from typing import Any

Command = Sequence[str | Path]

EVENTS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        *(
            "torch",
            "pandas",
            "rich.table",
            "fsbench.cli.main",
            "fsbench.engine.evaluate",
            "fusioner.cli",
            "mosaic4.push",
        ),
        *("mosaic4.benchmark", "leaderboard.cli", "leaderboard.site.build", "tests.fsbench.sample_models"),
    ]
)


def start(commands: Sequence[Command], said: Path, kill_before: int | None = None) -> Any:
    """Start ``commands``, one after the other, in a process; what it prints goes to ``said``.

    ``kill_before``: the number of the file operation, from 0, before which it kills itself.
    """
    texts = [[str(part) for part in command] for command in commands]
    process = CONTEXT.Process(target=_run, args=(texts, str(said), kill_before))
    process.start()
    return process


def ended(process: Any) -> int:
    """The exit code of a process that must end within two minutes."""
    process.join(timeout=120)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
    process.close()
    assert code is not None, "hangs"
    return int(code)


def kills(
    commands: Sequence[Command], folder: Path, step: int, prepare: Callable[[Path], object] = Path.mkdir
) -> Iterator[Path]:
    """Kill the commands before operation 0, ``step``, … in turn, run them again to their end, and give each folder.

    Each try has a folder of its own, which ``prepare`` makes and for which ``{}`` stands in the commands. The last try
    ends before it would be killed.
    """
    for number in count(0, step):
        at, said = folder / str(number), folder / f"{number}.txt"
        prepare(at)
        filled = [[str(part).replace("{}", str(at)) for part in command] for command in commands]
        code = ended(start(filled, said, number))
        assert code in (0, -signal.SIGKILL), said.read_text()
        assert ended(start(filled, said)) == 0, f"after a kill before operation {number}: {said.read_text()}"
        yield at
        if code == 0:
            return


def contents(folder: Path) -> dict[str, Any]:
    """Every file below ``folder``, hidden ones too, and empty folders; records without their timings."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            if not any(path.iterdir()):
                found[name] = "an empty folder"
        elif path.name == "record.json":
            found[name] = {key: value for key, value in json.loads(path.read_bytes()).items() if key != "timings"}
        else:
            found[name] = path.read_bytes()
    return found


def _run(commands: list[list[str]], said: str, kill_before: int | None) -> None:
    from fsbench.cli.main import main

    os.environ["GIT_DIR"] = os.devnull  # records name the commit, and somebody may commit during the test
    with Path(said).open("w", encoding="utf-8") as out, redirect_stdout(out), redirect_stderr(out):
        if kill_before is not None:
            _count(kill_before)
        for command in commands:
            try:
                main(command)
            except SystemExit as end:
                out.flush()
                if end.code:
                    sys.exit(end.code)


def _count(kill_before: int) -> None:
    """Kill this process before its file operation number ``kill_before``."""
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
