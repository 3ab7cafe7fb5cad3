"""Photographs and masks of a benchmark, decoded once while there is room for them.

A fold asks for the same photographs again and again: the 1,000 episodes of HSNet's fold 0 read 2,000 to 6,000 of 346.
What was read is kept, as many bytes as were allowed, the longest unused leaving first.

A model is shown the kept photographs themselves, since copying them would take as long as all the rest, and a copy of
every mask. So a model that writes into a photograph is refused: at once where torch knows of it, and at the end of the
fold, or when the photograph leaves, by its checksum.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import TYPE_CHECKING, Any

import deflate
import numpy as np
import numpy.typing as npt

from fsbench.index.benchmark import Benchmark
from fsbench.io.images import channels_first
from fsbench.io.resize import Size, resize_nearest

if TYPE_CHECKING:
    from torch import Tensor

Pixels = npt.NDArray[np.uint8]
MIB = 2**20
CACHE_MIB = 512
"""Memory for what was read, by default: a fold of PASCAL-5i with its masks takes 300 MiB."""


class Reader:
    """Reads ``benchmark`` and keeps at most ``cache_mib`` MiB of it; thread-safe.

    What two threads ask for at once is read once. Errors are those of ``Benchmark.image``; nothing is kept of them.
    """

    def __init__(self, benchmark: Benchmark, cache_mib: int = CACHE_MIB) -> None:
        self.benchmark = benchmark
        self._room = cache_mib * MIB
        self._kept: OrderedDict[tuple[Any, ...], Future[Pixels]] = OrderedDict()
        self._lock = Lock()
        self._checksums: dict[str, int] = {}
        self._altered: set[str] = set()

    def image(self, sample: str) -> Tensor:
        """The photograph, uint8 3 x H x W RGB, which others are shown as well."""
        import torch

        def read() -> Pixels:
            pixels = channels_first(self.benchmark.image(sample))
            self._checksums[sample] = deflate.crc32(pixels)
            return pixels

        return torch.from_numpy(self._read(("image", sample), read))

    def altered(self) -> list[str]:
        """The photographs, of all that were read, that somebody wrote into."""
        with self._lock:
            kept = {key: of.result() for key, of in self._kept.items() if of.done()}
        return sorted(self._altered.union(key[1] for key, pixels in kept.items() if self._is_altered(key, pixels)))

    def _is_altered(self, key: tuple[Any, ...], pixels: Pixels) -> bool:
        return key[0] == "image" and deflate.crc32(pixels) != self._checksums[key[1]]

    def support_mask(self, sample: str, class_id: int) -> Tensor:
        """As ``Benchmark.support_mask``, a copy for the caller."""
        import torch

        entry = self.benchmark.samples[sample]
        return torch.from_numpy(at_size(self._truth(sample, class_id), (entry.height, entry.width)).copy())

    def truth(self, sample: str, class_id: int, target: Size) -> Pixels:
        """``Benchmark.truth`` at ``target`` size, by nearest neighbour."""
        truth = self._truth(sample, class_id)
        if truth.shape == target:
            return truth
        return self._read(("truth", sample, class_id, target), lambda: resize_nearest(truth, target))

    def _truth(self, sample: str, class_id: int) -> Pixels:
        return self._read(("truth", sample, class_id), lambda: self.benchmark.truth(sample, class_id))

    def _read(self, key: tuple[Any, ...], read: Callable[[], npt.NDArray[Any]]) -> Pixels:
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
            else:
                mine = self._kept[key] = Future[Pixels]()
        if kept is not None:
            return kept.result()
        try:
            pixels = np.ascontiguousarray(read())
        except BaseException as error:
            with self._lock:
                del self._kept[key]
            mine.set_exception(error)
            raise
        mine.set_result(pixels)
        with self._lock:
            self._room -= pixels.nbytes
            while self._room < 0:
                oldest = next((k for k, of in self._kept.items() if of.done()), None)
                if oldest is None:
                    break
                leaves = self._kept.pop(oldest).result()
                self._room += leaves.nbytes
                if self._is_altered(oldest, leaves):
                    self._altered.add(oldest[1])
        return pixels


def at_size(pixels: Pixels, target: Size) -> Pixels:
    """``pixels`` at ``target`` size, by nearest neighbour."""
    return pixels if pixels.shape == target else resize_nearest(pixels, target)
