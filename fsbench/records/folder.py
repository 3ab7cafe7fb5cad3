"""A record's folder, which several runs may share: folds may be evaluated at the same time.

While a run counts a fold, it holds the lock of the fold's log. Files of all folds (the record, its counts and
replicates, the model's card) are read and written under the record's lock, for moments. Logs are opened and removed
under it as well, so no run holds a log that another one has removed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import AbstractContextManager
from glob import escape
from pathlib import Path

from fsbench.errors import FsbenchError
from fsbench.io.files import remove_temporary_files, sha256_file
from fsbench.io.locks import lock_file, locked
from fsbench.records.counts import remove_log

RECORD = "record.json"
WAIT = 600.0
"""Seconds to wait for other runs that join their folds: each takes moments, but all may end at once."""


def log_path(folder: Path, fold: str, rank: int = 0) -> Path:
    """The log of a fold in progress; each further rank of an evaluation has one of its own."""
    return folder / f"fold{fold}{f'.rank{rank}' if rank else ''}.partial.jsonl"


def rank_logs(folder: Path, fold: str) -> list[Path]:
    """The logs that further ranks have written for a fold, of a run or of killed ones."""
    return sorted(folder.glob(f"{escape(f'fold{fold}')}.rank*.partial.jsonl"))


def predictions_in(folder: Path) -> Path:
    """The folder of a record's saved masks."""
    return folder / "predictions"


def record_locked(folder: Path) -> AbstractContextManager[None]:
    """Hold the lock of the record in ``folder``, a file next to the folder that is not removed.

    Raises FsbenchError if other runs hold it for ``WAIT`` seconds or the disk has no locks.
    """
    return locked(lock_file(folder), folder, wait=WAIT)


def record_digest(folder: Path) -> str | None:
    """SHA-256 (hex) of the record in ``folder``, None if there is no record."""
    path = folder / RECORD
    try:
        return sha256_file(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FsbenchError(f"{path}: cannot be read ({error.strerror}): choose another --out") from error


def tidy(folder: Path, done: Iterable[str]) -> None:
    """Remove files of killed runs and the logs of ``done`` folds; the record's lock must be held."""
    for place in (folder, predictions_in(folder)):
        remove_temporary_files(place)
    for fold in done:
        for log in (log_path(folder, fold), *rank_logs(folder, fold)):
            remove_log(log)


def clear(folder: Path) -> None:
    """Remove logs and predictions of an old record unless another run is writing them; as ``tidy``."""
    busy = [log for log in sorted(folder.glob(log_path(Path(), "*").name)) if not remove_log(log)]
    if not busy:
        remove_predictions(predictions_in(folder))


def remove_predictions(folder: Path) -> None:
    """Remove a folder of predictions, if it exists; raises FsbenchError if that fails."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise FsbenchError(f"{folder}: cannot be removed ({error.strerror or error}): choose another --out") from error
