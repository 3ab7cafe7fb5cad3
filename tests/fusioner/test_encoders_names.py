"""Names, specs and prompts, without weights."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import open_clip
import pytest
import torch
from torch import Tensor

from fsbench.errors import FsbenchError
from fusioner.encoders import (
    PROMPT_SETS,
    TEXT_NAMES,
    VISUAL_NAMES,
    PromptSet,
    class_embeddings,
    load_text,
    load_visual,
    prompt_set,
    split_name,
    text_spec,
    visual_spec,
)
from fusioner.encoders.catalogue import CLIP_MODELS, SOURCES


def test_names_widths_and_grids_are_known() -> None:
    assert {name: (visual_spec(name).width, visual_spec(name).grid(224, 224)) for name in VISUAL_NAMES[:-1]} == {
        "clip-vit-b-16": (512, (14, 14)),
        "clip-vit-l-14": (768, (16, 16)),
        "clip-rn101": (2048, (7, 7)),
        "dino-vit-b-16": (768, (14, 14)),
        "moco-v3-vit-b-16": (768, (14, 14)),
        "effnet-lite2": (680, (14, 14)),
        "effnet-lite2-s32": (352, (7, 7)),
    }
    widths = {"clip-vit-b-16": 512, "clip-vit-l-14": 768, "clip-rn101": 512}
    widths |= {"bert-base": 768, "bert-large": 1024, "minilm": 384}
    assert {name: text_spec(name).width for name in TEXT_NAMES[:-1]} == widths
    assert (VISUAL_NAMES[-1], TEXT_NAMES[-1]) == ("timm:NAME", "hf:NAME")
    for spec in map(visual_spec, VISUAL_NAMES[:-1]):
        assert all(0 < m < 1 and 0 < s < 1 for m, s in zip(spec.mean, spec.std, strict=True))
        assert spec.origin.licence != "unknown"


def test_specs_of_named_encoders_need_no_torch() -> None:
    code = (
        "import sys; from fusioner.encoders import visual_spec, text_spec; visual_spec('clip-rn101'); "
        "text_spec('minilm'); print([m for m in ('torch', 'timm', 'transformers', 'open_clip') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_clips_own_configuration_is_the_catalogues() -> None:
    for name, model in CLIP_MODELS.items():
        config = open_clip.get_model_config(model)
        published = open_clip.pretrained.get_pretrained_cfg(model, "openai")
        assert config["quick_gelu"] is True
        assert text_spec(name).width == config["embed_dim"]
        assert text_spec(name).max_tokens == config["text_cfg"]["context_length"]
        assert visual_spec(name).mean == tuple(published["mean"])
        assert visual_spec(name).std == tuple(published["std"])
        assert SOURCES[name].repo == published["hf_hub"].rstrip("/")
        assert SOURCES[name].file == open_clip.constants.HF_SAFE_WEIGHTS_NAME


def test_a_size_that_is_no_multiple_is_refused() -> None:
    for size in ((224, 230), (16, 15), (0, 16), (8, 16)):
        with pytest.raises(FsbenchError, match=r"clip-vit-b-16: .* must be multiples of 16"):
            visual_spec("clip-vit-b-16").grid(*size)
    assert visual_spec("clip-vit-b-16").grid(32, 160) == (2, 10)


def test_a_path_is_split_off_a_name() -> None:
    assert split_name("timm:vit_base=C:/a=b.pth") == ("timm:vit_base", Path("C:/a=b.pth"))
    assert split_name("hf:org/name") == ("hf:org/name", None)
    assert visual_spec("clip-rn101=/nowhere").name == "clip-rn101"
    with pytest.raises(FsbenchError, match="expected NAME or NAME=PATH"):
        split_name("clip-rn101=")


def test_an_unknown_encoder_is_refused() -> None:
    visual = r"^no visual encoder 'clip': choose one of clip-vit-b-16, .*, timm:NAME$"
    text = r"^no text encoder 'dino-vit-b-16': choose one of .*, hf:NAME$"
    cases: list[Any] = [(visual_spec, "clip", visual), (load_visual, "clip", visual)]
    cases += [(text_spec, "dino-vit-b-16", text), (load_text, "dino-vit-b-16", text)]
    for ask, name, message in cases:
        with pytest.raises(FsbenchError, match=message):
            ask(name)


def test_openais_prompts_are_those_of_open_clip() -> None:
    about = prompt_set("openai-imagenet").about("potted plant")
    assert about == [template("potted plant") for template in open_clip.OPENAI_IMAGENET_TEMPLATES]
    assert len(about) == 80
    assert "a low resolution photo of the potted plant." in about


def test_the_plain_sets_and_a_wrong_name() -> None:
    assert PROMPT_SETS == ("openai-imagenet", "plain", "name", "scene")
    assert prompt_set("plain").about("dog") == ["a photo of a dog."]
    assert prompt_set("name").about("{}") == ["{}"]
    with pytest.raises(FsbenchError, match="no prompts 'Plain': choose one of openai-imagenet, plain, name"):
        prompt_set("Plain")


def test_templates_without_a_place_for_the_class_are_refused() -> None:
    for templates in ((), ("a photo",), ("a {}", "b")):
        with pytest.raises(FsbenchError, match=r"prompts 'mine': each template needs a \{\} for the class"):
            PromptSet("mine", templates)


def test_a_class_is_the_normalised_mean_of_normalised_sentences() -> None:
    asked: list[list[str]] = []

    def embed(texts: Sequence[str]) -> Tensor:
        """Two numbers: letters and blanks of a text, times a length that must not matter."""
        asked.append(list(texts))
        return torch.tensor([[float(len(t)), float(t.count(" "))] for t in texts]) * 7

    encoder: Any = SimpleNamespace(embed=embed)
    made = class_embeddings(encoder, ["abc", "a b"], PromptSet("two", ("{}", "{} x")))
    first = torch.tensor([1.0, 0.0]) + torch.tensor([5.0, 1.0]) / 26**0.5
    second = torch.tensor([3.0, 1.0]) / 10**0.5 + torch.tensor([5.0, 2.0]) / 29**0.5
    torch.testing.assert_close(made, torch.stack([first / first.norm(), second / second.norm()]))
    assert asked == [["abc", "abc x"], ["a b", "a b x"]]
    with pytest.raises(FsbenchError, match="no class names"):
        class_embeddings(encoder, [], prompt_set("name"))
