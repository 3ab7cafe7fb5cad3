"""Frozen encoders by name, any visual with any text.

    visual = load_visual("clip-vit-b-16")
    tokens = visual.encode(images)                      # B x N x visual.spec.width
    text = load_text("bert-base")
    classes = class_embeddings(text, ["cat", "sofa"], prompt_set("openai-imagenet"))

A name may carry the path of its weights: ``timm:vit_small_patch16_224=my.safetensors``, ``bert-base=my/folder``.
"""

from __future__ import annotations

from pathlib import Path

from fsbench.errors import FsbenchError
from fusioner.encoders.catalogue import CLIP_MODELS, EFFNET_LEVELS, TEXT, VISUAL
from fusioner.encoders.frozen import TextEncoder, VisualEncoder
from fusioner.encoders.prompts import SETS, PromptSet, class_embeddings, prompt_set
from fusioner.encoders.spec import Origin, TextSpec, VisualSpec

__all__ = [
    "PROMPT_SETS",
    "TEXT_NAMES",
    "VISUAL_NAMES",
    "Origin",
    "PromptSet",
    "TextEncoder",
    "TextSpec",
    "VisualEncoder",
    "VisualSpec",
    "class_embeddings",
    "load_text",
    "load_visual",
    "prompt_set",
    "split_name",
    "text_spec",
    "visual_spec",
]

VISUAL_NAMES = (*VISUAL, "timm:NAME")
TEXT_NAMES = (*TEXT, "hf:NAME")
PROMPT_SETS = tuple(SETS)


def split_name(name: str) -> tuple[str, Path | None]:
    """``NAME`` or ``NAME=PATH`` in two; everything after the first ``=`` is the path.

    >>> split_name("timm:resnet50=weights/mine.pth")
    ('timm:resnet50', PosixPath('weights/mine.pth'))
    """
    bare, given, path = name.partition("=")
    if given and not path:
        raise FsbenchError(f"{name!r}: no path after '=': expected NAME or NAME=PATH")
    return bare, Path(path) if given else None


def visual_spec(name: str) -> VisualSpec:
    """The spec of a visual encoder, without its weights; raises FsbenchError for an unknown name.

    >>> visual_spec("clip-vit-l-14").grid(224, 224)
    (16, 16)
    """
    bare = split_name(name)[0]
    if bare in VISUAL:
        return VISUAL[bare]
    if bare.startswith("timm:"):
        from fusioner.encoders import timm_models

        return timm_models.spec(bare)
    raise FsbenchError(f"no visual encoder {bare!r}: choose one of {', '.join(VISUAL_NAMES)}")


def text_spec(name: str) -> TextSpec:
    """The spec of a text encoder, without its weights (``hf:NAME`` reads its ``config.json``); raises FsbenchError.

    >>> text_spec("minilm").width
    384
    """
    bare, path = split_name(name)
    if bare in TEXT:
        return TEXT[bare]
    if bare.startswith("hf:"):
        from fusioner.encoders import language

        return language.spec(bare, path)
    raise FsbenchError(f"no text encoder {bare!r}: choose one of {', '.join(TEXT_NAMES)}")


def load_visual(name: str, *, weights: Path | None = None) -> VisualEncoder:
    """The frozen encoder, its weights from ``weights`` or a path in the name, else as ``weights.find`` finds them.

    Raises FsbenchError for an unknown name, and for weights that are missing or do not fit.
    """
    bare, path = split_name(name)
    visual_spec(bare)
    given = weights or path
    if bare in EFFNET_LEVELS:
        from fusioner.encoders import effnet

        if given is not None:
            raise FsbenchError(f"{bare}: its weights are in a package, so it takes no path (got {given})")
        return effnet.load(bare)
    if bare in CLIP_MODELS:
        from fusioner.encoders import clip

        return clip.load_visual(bare, given)
    from fusioner.encoders import timm_models

    return timm_models.load_visual(bare, given)


def load_text(name: str, *, weights: Path | None = None) -> TextEncoder:
    """The frozen encoder; ``weights`` is a file for CLIP, a folder with network and tokenizer for the others.

    Raises FsbenchError for an unknown name, and for weights that are missing or do not fit.
    """
    bare, path = split_name(name)
    given = weights or path
    if bare in CLIP_MODELS:
        from fusioner.encoders import clip

        return clip.load_text(bare, given)
    if not bare.startswith("hf:"):
        text_spec(bare)
    from fusioner.encoders import language

    return language.load(bare, given)
