"""Features of frozen encoders, computed once and kept on disk.

A feature's file is named by its inputs: SHA-256 over the digest of the encoder's weights, the view (a full description:
size, crop, flip, …), the hash of the photograph's file, and the dtype. So nothing goes stale, and runs share features::

    wanted = [Feature(encoder.digest, view, data.image_sha256(sample)) for sample in samples for view in views]
    kept = setup.features.fill(wanted, compute)  # compute([3, 4]) -> [{"tokens": Tensor}, {"tokens": Tensor}]
    kept[3]["tokens"]                            # memory-mapped

Files are written atomically, so a kill loses only the current batch, and several processes may fill at once. Each file
holds a checksum; a damaged one is computed again. The store stays below ``max_bytes`` by removing the least recently
used features, but never those a running process needs.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
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
    """The inputs of a feature. ``image``: SHA-256 of the photograph's file; ``view``: all that is done to it."""

    encoder: str
    view: str
    image: str

    def key(self, dtype: str) -> str:
        """The name of its file: SHA-256 (hex) over all inputs."""
        return sha256_text("\n".join((FORMAT, self.encoder, self.view, self.image, dtype)))


class FeatureStore:
    """A folder of features (``FSBENCH_HOME/features`` by default); a context manager.

    Under ``torchrun`` all ranks share the folder, and each computes its part.
    """

    def __init__(self, folder: Path | None = None, *, max_bytes: int = 50 * GIB, ranks: Ranks | None = None) -> None:
        self.folder = home() / "features" if folder is None else folder
        self.max_bytes = max_bytes
        self.ranks = ranks or Ranks()
        self._lease: Lease | None = None

    def __enter__(self) -> FeatureStore:
        return self

    def __exit__(self, *_: object) -> None:
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
        """Compute the missing ones of ``wanted``, and return all; called on every rank with the same arguments.

        ``dtype``: of stored floats (float16 by default; integers stay as they are). ``batch_size``: how many places
        ``compute`` gets at once. Kernels round differently in other batch sizes, so 1 makes a feature independent of
        the others; larger ones are faster on CUDA.

        Raises FsbenchError where these features and those of other running processes need more than ``max_bytes``.
        """
        import torch

        dtype = torch.float16 if dtype is None else dtype
        keys = [feature.key(str(dtype)) for feature in wanted]
        if self._lease is None:
            self._lease = Lease(check_writable(self.folder / "leases"))
            self._remove_temporary_files()
        self._lease.add(keys)
        features = Features(self, keys, compute, dtype)
        batches = [range(start, min(start + batch_size, len(keys))) for start in range(0, len(keys), batch_size)]
        missing = [batch for batch in batches if not all(self.path(keys[place]).is_file() for place in batch)]
        self.ranks.wait()  # all ranks know what is missing before one computes
        room = _Room(self, keys)
        with progress(title, len(missing) if self.ranks.first else 0) as advance:
            for number, batch in enumerate(missing):
                if number % self.ranks.size == self.ranks.rank:
                    features.compute(batch, room)
                advance(1)
        self.ranks.wait()
        room.check_all()
        for key in set(keys):
            with suppress(FileNotFoundError):  # damaged or gone: computed again when it is read
                os.utime(self.path(key))
        return features

    def path(self, key: str) -> Path:
        """The file of a key."""
        return self.folder / key[:2] / f"{key}.safetensors"

    def _remove_temporary_files(self) -> None:
        """Remove partial files of killed runs that are a day old; younger ones may be in use."""
        for path in self.folder.glob("??/.*.tmp"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - DAY:
                    path.unlink()

    def files(self) -> dict[str, os.stat_result]:
        """Key -> size and time of last use of every stored feature."""
        found = {}
        for path in self.folder.glob("??/*.safetensors"):
            with suppress(FileNotFoundError):  # another process made room
                found[path.stem] = path.stat()
        return found


class Features:
    """The wanted features by place: each a dict of memory-mapped tensors on the CPU."""

    def __init__(self, store: FeatureStore, keys: Sequence[str], compute: Compute, dtype: torch.dtype) -> None:
        self._store, self._keys, self._compute, self._dtype = store, keys, compute, dtype
        self._verified: dict[str, tuple[int, ...]] = {}
        self._computing = threading.Lock()

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, place: int) -> dict[str, Tensor]:
        """A feature's tensors (read-only); one that is damaged or gone is computed again."""
        key = self._keys[place]
        path = self._store.path(key)
        version = _version(path)
        tensors = _read(path, key, verified=version is not None and self._verified.get(key) == version)
        if tensors is None:
            with self._computing:
                self.compute([place], None, overwrite=True)
            version = _version(path)
            tensors = _read(path, key, verified=False)
            if tensors is None or version is None:
                raise FsbenchError(f"{path}: cannot be read back: check the disk, or use --features")
        if version is not None:
            self._verified[key] = version
        return tensors

    def compute(self, places: Sequence[int], room: _Room | None, *, overwrite: bool = False) -> None:
        """Compute these places as one batch and write the missing ones (or all, with ``overwrite``)."""
        computed = self._compute(list(places))
        if len(computed) != len(places):
            raise FsbenchError(f"{len(places)} features were asked of the encoder, {len(computed)} came back")
        for place, tensors in zip(places, computed, strict=True):
            path = self._store.path(self._keys[place])
            if not overwrite and path.is_file():
                continue
            kept = {
                name: tensor.detach().to("cpu", self._dtype if tensor.is_floating_point() else tensor.dtype)
                for name, tensor in tensors.items()
            }
            if room is not None:
                room.take(sum(tensor.nbytes for tensor in kept.values()))
            write_sealed(path, kept, {"key": self._keys[place]})


class _Room:
    """Keeps the store below its limit while a run fills it: the first file makes room for all missing ones."""

    def __init__(self, store: FeatureStore, keys: Sequence[str]) -> None:
        self._store, self._keys = store, frozenset(keys)
        self._free = 0

    def take(self, size: int) -> None:
        """Call before a file of ``size`` bytes is written."""
        size += HEADER
        if self._free < size:
            files = self._store.files()
            missing = len(self._keys - files.keys())
            self._make(files, size, size * missing)
            self._free = size * missing
        self._free -= size

    def check_all(self) -> None:
        """Call when all features are stored."""
        self._make(self._store.files(), 0, 0)

    def _make(self, files: Mapping[str, os.stat_result], each: int, room: int) -> None:
        """Remove least recently used files until ``room`` bytes are free, with ``each`` for others' missing ones."""
        store = self._store
        lease = store._lease
        theirs = leased_by_others(store.folder / "leases", lease)
        in_use = self._keys | (lease.keys if lease else frozenset()) | theirs
        needed = room + each * len(theirs - self._keys - files.keys())
        needed += sum(found.st_size for key, found in files.items() if key in in_use)
        if needed > store.max_bytes:
            needing = "this run and other running ones need" if theirs else "this run needs"
            raise FsbenchError(
                f"{store.folder}: {needing} {needed} bytes of features ({needed / GIB:.2f} GiB), but "
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
"""The most bytes of a file's header, for a few tensors."""


def _read(path: Path, key: str, *, verified: bool) -> dict[str, Tensor] | None:
    """The tensors of a file; None where it is gone or damaged. ``verified``: its checksum was compared before."""
    try:
        tensors, header = (read_tensors if verified else read_sealed)(path)
    except FsbenchError:
        return None
    return tensors if header.get("key") == key else None


def _version(path: Path) -> tuple[int, ...] | None:
    """What changes when a file is written to or replaced; None where it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
