"""Features of frozen encoders, computed once and kept on disk.

A feature's file is named by what it was computed from: SHA-256 over the digest of the encoder's weights, the view (a
full description: size, crop, flip, …), the hash of the photograph's file, and the number format. So nothing ever goes
stale, and runs and models share what they have in common::

    wanted = [Feature(encoder.digest, view, data.image_sha256(sample)) for sample in samples for view in views]
    kept = setup.features.fill(wanted, compute)  # compute([3, 4]) -> [{"tokens": Tensor}, {"tokens": Tensor}]
    kept[3]["tokens"]                            # memory-mapped

Files are written whole, so a kill costs what was under way, and two processes may fill at once. Each file holds a
checksum; one that is damaged is made anew. The store stays below ``max_bytes``: what was not used for longest goes,
but never what a run at work needs.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from fsbench.errors import FsbenchError
from fsbench.home import home
from fsbench.io.files import check_writable, sha256_text
from fsbench.progress import progress
from fsbench.training.leases import Lease, leased_by_others
from fsbench.training.ranks import Ranks
from fsbench.training.tensors import read_sealed, read_tensors, write_sealed

if TYPE_CHECKING:
    import torch
    from torch import Tensor

GIB = 2**30
DAY = 24 * 3600
FORMAT = "fsbench-feature/1"

Compute = Callable[[Sequence[int]], Sequence[Mapping[str, "Tensor"]]]
"""Places in the list of wanted features -> the tensors of each, by name."""


@dataclass(frozen=True)
class Feature:
    """What a feature is of. ``image``: SHA-256 of the photograph's file; ``view``: all that is done to it."""

    encoder: str
    view: str
    image: str

    def key(self, dtype: str) -> str:
        """The name of its file: SHA-256 (hex) over all of it."""
        return sha256_text("\n".join((FORMAT, self.encoder, self.view, self.image, dtype)))


class FeatureStore:
    """A folder of features (``FSBENCH_HOME/features`` by default); a context manager.

    Under ``torchrun`` all ranks use the same folder, and each computes its share.
    """

    def __init__(self, folder: Path | None = None, *, max_bytes: int = 50 * GIB, ranks: Ranks | None = None) -> None:
        self.folder = home() / "features" if folder is None else folder
        self.max_bytes = max_bytes
        self.ranks = ranks or Ranks()
        self._lease: Lease | None = None

    def __enter__(self) -> FeatureStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lease is not None:
            self._lease.close()

    def fill(
        self,
        wanted: Sequence[Feature],
        compute: Compute,
        *,
        dtype: torch.dtype | None = None,
        batch_size: int = 1,
        title: str = "features",
    ) -> Features:
        """See that all of ``wanted`` are there, and give them; on every rank with the same arguments.

        ``dtype``: of what is kept (float16 by default, float32; integers stay as they are). ``batch_size``: how many
        ``compute`` is given at once. Kernels round differently in batches of another size, so 1 makes a feature the
        same whatever else is wanted; larger ones are faster on CUDA.

        Raises FsbenchError where these features, with those of other runs at work, need more than ``max_bytes``.
        """
        import torch

        dtype = torch.float16 if dtype is None else dtype
        keys = [feature.key(str(dtype)) for feature in wanted]
        if self._lease is None:
            self._lease = Lease(check_writable(self.folder / "leases"))
            self._remove_cut_off()
        self._lease.add(keys)
        features = Features(self, keys, compute, dtype)
        batches = [range(start, min(start + batch_size, len(keys))) for start in range(0, len(keys), batch_size)]
        missing = [batch for batch in batches if not all(self.path(keys[place]).is_file() for place in batch)]
        self.ranks.wait()  # all have looked before anybody makes one
        room = _Room(self, keys)
        with progress(title, len(missing) if self.ranks.first else 0) as advance:
            for number, batch in enumerate(missing):
                if number % self.ranks.size == self.ranks.rank:
                    features.make(batch, room)
                advance(1)
        self.ranks.wait()
        room.check_all()
        for key in set(keys):
            _touch(self.path(key))
        return features

    def path(self, key: str) -> Path:
        """Where the feature of a key lies."""
        return self.folder / key[:2] / f"{key}.safetensors"

    def _remove_cut_off(self) -> None:
        """Remove what killed runs were writing, a day later: others may be writing now."""
        for path in self.folder.glob("??/.*.tmp"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - DAY:
                    path.unlink()

    def files(self) -> dict[str, os.stat_result]:
        """Key -> size and time of last use, of everything that is there."""
        found = {}
        for path in self.folder.glob("??/*.safetensors"):
            try:
                found[path.stem] = path.stat()
            except FileNotFoundError:  # another process made room
                continue
        return found


class Features:
    """The features that were wanted, by their place: each a dict of tensors, on the CPU and memory-mapped."""

    def __init__(self, store: FeatureStore, keys: Sequence[str], compute: Compute, dtype: torch.dtype) -> None:
        self._store, self._keys, self._compute, self._dtype = store, keys, compute, dtype
        self._sound: dict[str, tuple[int, ...]] = {}
        self._making = threading.Lock()

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, place: int) -> dict[str, Tensor]:
        """A feature's tensors, not to be written to; one that is damaged or gone is made anew."""
        key = self._keys[place]
        path = self._store.path(key)
        there = _identity(path)
        tensors = _read(path, key, checked=there is not None and self._sound.get(key) == there)
        if tensors is None:
            with self._making:
                self.make([place], None, anew=True)
            there = _identity(path)
            tensors = _read(path, key, checked=False)
            if tensors is None or there is None:
                raise FsbenchError(f"{path}: cannot be read back: check the disk, or use --features")
        if there is not None:
            self._sound[key] = there
        return tensors

    def make(self, places: Sequence[int], room: _Room | None, *, anew: bool = False) -> None:
        """Compute these places together and write those that are not there (all of them ``anew``)."""
        made = self._compute(list(places))
        if len(made) != len(places):
            raise FsbenchError(f"{len(places)} features were asked of the encoder, {len(made)} came back")
        for place, tensors in zip(places, made, strict=True):
            path = self._store.path(self._keys[place])
            if not anew and path.is_file():
                continue
            kept = {
                name: tensor.detach().to("cpu", self._dtype if tensor.is_floating_point() else tensor.dtype)
                for name, tensor in tensors.items()
            }
            if room is not None:
                room.take(sum(tensor.nbytes for tensor in kept.values()))
            write_sealed(path, kept, {"key": self._keys[place]})


class _Room:
    """Keeps the store below its bound while a run fills it: room is made for all that is missing, at the first."""

    def __init__(self, store: FeatureStore, keys: Sequence[str]) -> None:
        self._store, self._keys = store, frozenset(keys)
        self._left = 0

    def take(self, size: int) -> None:
        """Before a file of ``size`` bytes is written."""
        size += HEADER
        if self._left < size:
            files = self._store.files()
            missing = len(self._keys - files.keys())
            self._make(files, size, size * missing)
            self._left = size * missing
        self._left -= size

    def check_all(self) -> None:
        """After all are there (or were there already)."""
        self._make(self._store.files(), 0, 0)

    def _make(self, files: Mapping[str, os.stat_result], each: int, room: int) -> None:
        """Remove what was not used for longest until ``room`` bytes more fit in; others' missing ones have ``each``."""
        store = self._store
        lease = store._lease
        theirs = leased_by_others(store.folder / "leases", lease)
        in_use = self._keys | (lease.keys if lease else frozenset()) | theirs
        needed = room + each * len(theirs - self._keys - files.keys())
        needed += sum(found.st_size for key, found in files.items() if key in in_use)
        if needed > store.max_bytes:
            others = " and the runs beside it" if theirs else ""
            raise FsbenchError(
                f"{store.folder}: this run{others} needs {needed} bytes of features ({needed / GIB:.2f} GiB), but "
                f"{store.max_bytes} are allowed: allow more with --features-gib, or use fewer views"
            )
        total = sum(found.st_size for found in files.values()) + needed
        total -= sum(found.st_size for key, found in files.items() if key in in_use)
        for key in sorted(files.keys() - in_use, key=lambda key: files[key].st_mtime_ns):
            if total <= store.max_bytes:
                break
            store.path(key).unlink(missing_ok=True)
            total -= files[key].st_size


HEADER = 512
"""Bytes that a file has beside its tensors, at most, for a few tensors."""


def _read(path: Path, key: str, *, checked: bool) -> dict[str, Tensor] | None:
    """The tensors of a file; None where it is gone or damaged. ``checked``: this very file was sound before."""
    try:
        tensors, header = (read_tensors if checked else read_sealed)(path)
    except FsbenchError:
        return None
    return tensors if header.get("key") == key else None


def _identity(path: Path) -> tuple[int, ...] | None:
    """What changes when a file is written to or replaced; None where it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _touch(path: Path) -> None:
    try:
        os.utime(path)
    except FileNotFoundError:  # damaged or gone: made anew when it is read
        return
