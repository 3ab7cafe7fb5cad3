"""The encoders known by name: widths, strides, normalisation and origin, before anything is loaded.

Tests compare widths and strides with the networks.
"""

from __future__ import annotations

from fsbench.models import effnet
from fusioner.encoders.spec import Origin, TextSpec, VisualSpec
from fusioner.encoders.weights import Source

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_CLIP = Origin(
    "MIT",
    "https://github.com/openai/CLIP",
    "OpenAI's 400 million pairs of image and text (not public)",
    image_labels="unknown",
    image_text="yes",
)
_DINO = Origin("Apache-2.0", "https://github.com/facebookresearch/dino", "ImageNet-1k images, no labels", "no", "no")
_MOCO = Origin(
    "CC-BY-NC-4.0", "https://github.com/facebookresearch/moco-v3", "ImageNet-1k images, no labels", "no", "no"
)
_EFFNET = Origin(effnet.LICENCE, effnet.URL, "ImageNet-1k images and labels", "yes", "no")
_BERT = Origin(
    "Apache-2.0", "https://github.com/google-research/bert", "text alone (BooksCorpus, English Wikipedia)", "no", "no"
)
_MINILM = Origin(
    "Apache-2.0 (weights), MIT (package)",
    "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    "text alone: 1.17 billion pairs of sentences, captions of COCO and Flickr30k among them",
    "no",
    "no",
)

CLIP_MODELS = {
    "clip-vit-b-16": "ViT-B-16-quickgelu",
    "clip-vit-l-14": "ViT-L-14-quickgelu",
    "clip-rn101": "RN101-quickgelu",
}
"""open_clip's names; OpenAI's weights were trained with the quick approximation of GELU."""

EFFNET_LEVELS = {"effnet-lite2": (0, 1, 2), "effnet-lite2-s32": (2,)}
"""The maps of ``fsbench.models.effnet.feature_maps`` (120, 208 and 352 channels) that make up a token."""

_EFFNET_MEAN, _EFFNET_STD = effnet.MEAN / 255, effnet.DEVIATION / 255

VISUAL = {
    spec.name: spec
    for spec in (
        VisualSpec("clip-vit-b-16", 512, 16, CLIP_MEAN, CLIP_STD, _CLIP),
        VisualSpec("clip-vit-l-14", 768, 14, CLIP_MEAN, CLIP_STD, _CLIP),
        VisualSpec("clip-rn101", 2048, 32, CLIP_MEAN, CLIP_STD, _CLIP),
        VisualSpec("dino-vit-b-16", 768, 16, IMAGENET_MEAN, IMAGENET_STD, _DINO),
        VisualSpec("moco-v3-vit-b-16", 768, 16, IMAGENET_MEAN, IMAGENET_STD, _MOCO),
        VisualSpec("effnet-lite2", 680, 16, (_EFFNET_MEAN,) * 3, (_EFFNET_STD,) * 3, _EFFNET),
        VisualSpec("effnet-lite2-s32", 352, 32, (_EFFNET_MEAN,) * 3, (_EFFNET_STD,) * 3, _EFFNET),
    )
}

_EOT = "at the end-of-text token, projected"
_MEAN = "masked mean of the last layer"

TEXT = {
    spec.name: spec
    for spec in (
        TextSpec("clip-vit-b-16", 512, 77, _EOT, _CLIP),
        TextSpec("clip-vit-l-14", 768, 77, _EOT, _CLIP),
        TextSpec("clip-rn101", 512, 77, _EOT, _CLIP),
        TextSpec("bert-base", 768, 512, _MEAN, _BERT),
        TextSpec("bert-large", 1024, 512, _MEAN, _BERT),
        TextSpec("minilm", 384, 256, _MEAN, _MINILM),
    )
}

HUB = "https://huggingface.co/"
_CLIP_REPOS = {
    "clip-vit-b-16": "timm/vit_base_patch16_clip_224.openai",
    "clip-vit-l-14": "timm/vit_large_patch14_clip_224.openai",
    "clip-rn101": "timm/resnet101_clip.openai",
}
TEXT_FILES = "config.json", "tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "*.model", "model*.index*"
"""Patterns of the files of a text encoder other than its weights."""


def hub_source(name: str, repo: str, file: str) -> Source:
    """``file`` of a public repository of the hub."""
    return Source(name, HUB + repo, file, repo)


def text_source(name: str, repo: str, file: str, *also: str) -> Source:
    """A text encoder's folder in a public repository of the hub."""
    wanted = "config.json, model.safetensors and the tokenizer's files"
    return Source(name, HUB + repo, file, repo, (*TEXT_FILES, *also), wanted)


SOURCES = {
    **{name: hub_source(name, repo, "open_clip_model.safetensors") for name, repo in _CLIP_REPOS.items()},
    "dino-vit-b-16": hub_source("dino-vit-b-16", "timm/vit_base_patch16_224.dino", "model.safetensors"),
    "moco-v3-vit-b-16": Source("moco-v3-vit-b-16", _MOCO.url, "vit-b-300ep.pth.tar"),
    "bert-base": text_source("bert-base", "google-bert/bert-base-uncased", "model.safetensors"),
    "bert-large": text_source("bert-large", "google-bert/bert-large-uncased", "model.safetensors"),
}
"""The encoders whose weights come from no package."""
