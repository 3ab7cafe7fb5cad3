"""The environment and timings of a record."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from fsbench.errors import FsbenchError
from fsbench.records.record import Environment, Timings
from fsbench.version import __version__


def resolve_device(device: str) -> str:
    """``auto`` becomes cuda, mps or cpu, in this order; raises FsbenchError for a missing device."""
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name, found in available.items() if found)
    kind = device.partition(":")[0]
    if kind not in available:
        raise FsbenchError(f"--device {device}: unknown: choose auto, cpu, cuda, cuda:N or mps")
    index = device.partition(":")[2] or "0"
    if not available[kind] or not index.isdigit() or (kind == "cuda" and int(index) >= torch.cuda.device_count()):
        raise FsbenchError(f"--device {device}: not on this machine: use --device auto or cpu")
    return device


def environment(device: str, threads: int, batch_size: int) -> Environment:
    """The environment of a run on ``device``."""
    import numpy
    import PIL
    import torch

    commit, dirty = _git()
    name = f" ({torch.cuda.get_device_name(device)})" if device.startswith("cuda") else ""
    return Environment(
        fsbench=__version__,
        git_commit=commit,
        git_dirty=dirty,
        python=platform.python_version(),
        torch=torch.__version__,
        numpy=numpy.__version__,
        pillow=PIL.__version__,
        platform=f"{platform.system()} {platform.machine()}",
        processor=processor(),
        device=device + name,
        threads=threads,
        batch_size=batch_size,
    )


def joined(a: Environment, b: Environment) -> Environment:
    """The environment of a record whose folds were run in ``a`` and ``b``; different values are joined by `` | ``."""
    values: dict[str, Any] = {}
    for name, first in a:
        second = getattr(b, name)
        if isinstance(first, str) and isinstance(second, str) and first != second:
            values[name] = " | ".join(sorted({*first.split(" | "), *second.split(" | ")}))[:400]
        elif name == "git_dirty":
            values[name] = first or second
        else:
            values[name] = first if first is not None else second
    return Environment(**values)


def peak_memory_mib() -> float:
    """The largest resident memory of this process so far, MiB (0 where the system does not say)."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


@cache
def processor() -> str:
    """The model name of the processor, or "unknown"."""
    information = Path("/proc/cpuinfo")
    text = information.read_text(encoding="utf-8", errors="replace") if information.is_file() else ""
    names = (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")


@cache
def _git() -> tuple[str | None, bool | None]:
    """Commit and dirty flag of the checkout that fsbench runs from; None if it is installed as a package."""
    here = Path(__file__)

    def git(*arguments: str) -> str | None:
        try:
            command = ["git", "-C", str(here.parent), *arguments]
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if not git("ls-files", "--error-unmatch", here.name):
        return None, None
    commit = git("rev-parse", "HEAD")
    changed = git("status", "--porcelain", "--untracked-files=no")
    return commit, None if commit is None else bool(changed)


def timings(seconds: float, model_seconds: float, answered: int, workers: int, memory: float) -> Timings:
    """Timings of ``answered`` query images."""
    return Timings(
        seconds=round(seconds, 3),
        model_seconds=round(model_seconds, 3),
        images_per_second=round(answered / seconds, 2) if seconds else 0.0,
        peak_memory_mib=memory,
        workers=workers,
    )


def joined_timings(folds: Sequence[Timings], answered: int) -> Timings:
    """Timings of a record whose folds were run one by one."""
    return timings(
        sum(fold.seconds for fold in folds),
        sum(fold.model_seconds for fold in folds),
        answered,
        max(fold.workers for fold in folds),
        max(fold.peak_memory_mib for fold in folds),
    )
