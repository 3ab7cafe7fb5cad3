"""Safetensors files of a training: written atomically, read only if regular, and sealed where nothing else proves them.

safetensors has no checksum. A sealed file holds the SHA-256 of its names, dtypes, shapes, bytes and header, so that an
altered byte is noticed on reading. (``model.safetensors`` is not sealed: its card has its digest.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from fsbench.errors import FsbenchError
from fsbench.io.files import atomic_write
from fsbench.io.untrusted import open_regular, plain

if TYPE_CHECKING:
    from torch import Tensor

HEADER = "fsbench"
SEAL = "sha256"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> None:
    """Write a safetensors file atomically: the same bytes for the same tensors and header.

    Tensors that share memory are stored separately. The header is one JSON text under ``fsbench``, because safetensors
    writes several in an order that changes from call to call.
    """
    import torch
    from safetensors.torch import save_file

    copies = {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    with atomic_write(path) as temporary:
        save_file(copies, temporary, metadata={HEADER: json.dumps(header, sort_keys=True)})


def read_tensors(path: Path, remedy: str = "use --if-exists replace") -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors (on the CPU, memory-mapped) and header of a safetensors file.

    Raises FsbenchError, ending with ``remedy``, where it is missing or no regular safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        open_regular(path).close()
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or plain(error)[:200]
        raise FsbenchError(f"{path}: cannot be read as safetensors ({why}): {remedy}") from error
    if not isinstance(header, dict) or not all(isinstance(value, str) for value in header.values()):
        raise FsbenchError(f"{path}: its header must hold texts by name: {remedy}")
    return tensors, header


def write_sealed(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> None:
    """As ``write_tensors``, with a digest of everything in the file in its header."""
    write_tensors(path, tensors, {**header, SEAL: _seal(tensors, header)})


def read_sealed(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """As ``read_tensors``, without the digest; raises FsbenchError also for a file with any altered byte."""
    tensors, header = read_tensors(path)
    if header.pop(SEAL, None) != _seal(tensors, header):
        raise FsbenchError(f"{path}: was altered (its SHA-256 is not the one it was written with): --if-exists replace")
    return tensors, header


def _seal(tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> str:
    import torch

    digest = sha256(json.dumps(header, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
