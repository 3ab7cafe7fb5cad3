"""Finding encoder weights, reading them without running anything in the file, and their digest.

Places, in this order: the given path, ``FSBENCH_HOME/encoders/NAME/FILE``, the hub's cache, the hub. Without network
(or with ``HF_HUB_OFFLINE=1``) one line says which file to put where.

A damaged file is refused where a checksum shows it: in PyTorch archives, and in the hub's cache, which names files by
their hash. Other formats have none; a checkpoint keeps the encoder's digest and only works with those weights.
"""

from __future__ import annotations

import hashlib
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import error as StructError  # noqa: N812
from typing import TYPE_CHECKING, Any, BinaryIO

from fsbench.errors import FsbenchError
from fsbench.home import home
from fsbench.io.files import sha256_file
from fsbench.io.untrusted import check_size, open_regular, plain, read_bytes

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LARGEST = 32 * 2**30
"""Bytes of a file of weights; timm's largest have some 8 GB."""
LARGEST_TEXT = 256 * 2**20
"""Bytes of a file of any other kind, a vocabulary or a configuration."""
ATTRIBUTES = 0xFF
"""MS-DOS attributes of a record in a zip archive; torch.save sets none."""
INSIDE = ("state_dict", "model", "teacher")
"""Keys of the weights in checkpoints of training runs (torch's examples and MoCo v3; timm; DINO)."""


@dataclass(frozen=True)
class Source:
    """Where the weights of encoder ``name`` are published: ``file`` in ``repo`` of the hub, shown at ``page``.

    ``repo`` is None where the weights are on no hub. ``file`` is required; ``also`` (patterns) are fetched with it.
    ``wanted`` names the files in messages; empty for ``file`` alone.
    """

    name: str
    page: str
    file: str
    repo: str | None = None
    also: tuple[str, ...] = ()
    wanted: str = ""

    @property
    def folder(self) -> Path:
        """The folder for files that were downloaded by hand."""
        return home().joinpath("encoders", *self.name.split(":"))


def find(source: Source, given: Path | None = None) -> Path:
    """The file of weights; raises FsbenchError, saying what to put where, if it is missing."""
    if given is not None:
        path = given.expanduser()
        if not path.is_file():
            raise FsbenchError(f"{path}: the weights given for {source.name} do not exist (expected a file)")
        return path
    path = source.folder / source.file
    return path if path.is_file() else fetch(source) / source.file


def fetch(source: Source) -> Path:
    """The folder of the hub's cache with ``source.file`` in it, downloaded if need be; raises FsbenchError."""
    if source.repo is None:
        raise _nowhere(source, "they are on no hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    # The base of all errors of the hub's HTTP client; which client that is depends on the hub's version.
    of_the_network: type[BaseException] = HfHubHTTPError.__mro__[1]
    try:
        folder = Path(snapshot_download(source.repo, allow_patterns=[source.file, *source.also]))
    except (OSError, of_the_network, HFValidationError) as error:
        raise _nowhere(source, _first_line(error.__cause__ or error)) from error
    if not (folder / source.file).is_file():
        raise _nowhere(source, f"{source.repo} has no {source.file} or only part of it was fetched")
    for path in folder.iterdir():
        if path.is_file():
            _check_cached(path.resolve())
    return folder


def _check_cached(blob: Path) -> None:
    """Raise FsbenchError where the name of a file in the hub's cache, a SHA-256 or git hash, is not its hash."""
    from huggingface_hub.utils.sha import git_hash

    found = blob.name
    try:
        if re.fullmatch("[0-9a-f]{64}", blob.name):
            found = sha256_file(blob, LARGEST)
        elif re.fullmatch("[0-9a-f]{40}", blob.name):
            found = git_hash(read_bytes(blob, LARGEST_TEXT))
    except OSError as error:
        raise FsbenchError(f"{blob}: cannot be read ({error.strerror}): check its permissions and disk") from error
    if found != blob.name:
        raise FsbenchError(f"{blob}: was altered (its name is not its hash): delete it, and it is fetched again")


def _nowhere(source: Source, why: str) -> FsbenchError:
    return FsbenchError(
        f"{source.name}: no weights at {source.folder / source.file} and none could be fetched ({why}): get "
        f"{source.wanted or source.file} from {source.page} into {source.folder}, or name the path: {source.name}=PATH"
    )


def read(path: Path) -> dict[str, Tensor]:
    """Name -> tensor of a checkpoint: safetensors, or a PyTorch file of tensors and plain values.

    Raises FsbenchError for a file that is neither (a TorchScript archive, which is a program), that is damaged, or that
    is no regular file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        with open_regular(path) as file:
            check_size(path, file, LARGEST)
            return load_file(path) if path.suffix == ".safetensors" else _state_dict(path, file)
    except SafetensorError as error:
        raise FsbenchError(f"{path}: is no safetensors file ({_first_line(error)}): fetch it again") from error
    except OSError as error:
        why = error.strerror or _first_line(error)
        raise FsbenchError(f"{path}: cannot be read ({why}): check its permissions, or fetch it again") from error


def _state_dict(path: Path, file: BinaryIO) -> dict[str, Tensor]:
    import torch

    # Where torch keeps the class; the pickle module itself is not imported in this house.
    from torch._weights_only_unpickler import UnpicklingError  # type: ignore[attr-defined]

    malformed = (
        *(UnpicklingError, StructError, zipfile.BadZipFile, RuntimeError, EOFError, LookupError),
        *(AttributeError, AssertionError, TypeError, ValueError, MemoryError),
    )
    try:
        if file.read(4) == b"PK\x03\x04":
            _check_archive(path, file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that it looks like TorchScript: it is refused below
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except malformed as error:
        raise FsbenchError(
            f"{path}: is no checkpoint of plain tensors ({_first_line(error)}): expected .safetensors, or a PyTorch "
            "file that torch.load(weights_only=True) takes"
        ) from error
    for key in INSIDE:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
            break
    tensors = {k: v for k, v in loaded.items() if isinstance(v, torch.Tensor)} if isinstance(loaded, Mapping) else {}
    if not tensors:
        raise FsbenchError(f"{path}: holds no named tensors: expected a state dict, or one under {', '.join(INSIDE)}")
    return tensors


def _check_archive(path: Path, file: BinaryIO) -> None:
    """Raise ValueError or BadZipFile for a damaged archive or a bomb; torch compares no checksums."""
    with zipfile.ZipFile(file) as archive:
        records = archive.infolist()
        if any(record.compress_type != zipfile.ZIP_STORED for record in records):
            raise ValueError("records are compressed, as those of TorchScript are and those of torch.save are not")
        if sum(record.file_size for record in records) > path.stat().st_size:
            raise ValueError("records together are larger than the file")
        marked = next((r.filename for r in records if r.is_dir() or r.external_attr & ATTRIBUTES), None)
        damaged = archive.testzip() if marked is None else marked
        if damaged is not None:
            raise ValueError(f"record {damaged} is damaged")


def under(weights: Mapping[str, Tensor], *prefixes: str) -> dict[str, Tensor]:
    """The tensors under the first of ``prefixes`` that any name has, without it; all tensors if none has."""
    for prefix in prefixes:
        found = {name.removeprefix(prefix): t for name, t in weights.items() if name.startswith(prefix)}
        if found:
            return found
    return dict(weights)


def fill(net: torch.nn.Module, weights: Mapping[str, Tensor], origin: str, spare: Sequence[str] = ()) -> None:
    """Load ``weights`` into ``net`` as float32, in place; every tensor of the network must be present and fit.

    ``spare``: prefixes of names that are ignored (heads, say). Counters of batch norms mean nothing in a frozen network
    and may be missing. Raises FsbenchError, naming ``origin`` and the first wrong tensor.
    """
    import torch

    expected = net.state_dict()
    counters = {name: torch.zeros((), dtype=torch.long) for name in expected if _is_counter(name)}
    given = counters | {name: t for name, t in weights.items() if name in expected or not name.startswith(tuple(spare))}
    for kind, names in (("lacks", expected.keys() - given.keys()), ("has unknown", given.keys() - expected.keys())):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise FsbenchError(f"{origin}: has the weights of another network: {kind} {min(names)}{more}")
    for name, tensor in given.items():
        if tensor.shape != expected[name].shape:
            raise FsbenchError(
                f"{origin}: has the weights of another network: {name} is {tuple(tensor.shape)}, expected "
                f"{tuple(expected[name].shape)}"
            )
    state = {name: t.float() if t.is_floating_point() else t for name, t in given.items()}
    net.load_state_dict(state, assign=True)


def digest(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes (little-endian) of the tensors, in order of their names.

    Counters of batch norms are left out: they change nothing.
    """
    import torch

    total = hashlib.sha256()
    for name in sorted(weights):
        if not _is_counter(name):
            tensor = weights[name].detach().cpu().contiguous()
            total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            array: Any = tensor.reshape(-1).view(torch.uint8).numpy()
            total.update(array)
    return total.hexdigest()


def _is_counter(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def _first_line(error: BaseException) -> str:
    return plain((str(error).strip() or type(error).__name__).splitlines()[0].rstrip(" .:"))[:300]
