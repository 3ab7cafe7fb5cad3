"""``fsbench`` on the command line, run in this process: a new Python that loads torch takes seconds."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

from fsbench.cli.main import main


class Finished(NamedTuple):
    """Exit code, standard output and standard error of a command."""

    code: int
    out: str
    err: str


def run(*arguments: object) -> Finished:
    """Run ``fsbench ARGUMENTS`` (each as its text) to its end."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="", write_through=True) for _ in range(2))
    code = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    texts = (stream.buffer.getvalue().decode("utf-8") for stream in (out, err))  # type: ignore[attr-defined]
    return Finished(code, *texts)


def refusal(*arguments: object) -> str:
    """The one line that a command which must end with 2 writes to standard error."""
    code, _, error = run(*arguments)
    assert (code, error[:9], error.count("\n")) == (2, "fsbench: ", 1), error
    return error
