"""Prompt ensembles: named sets of sentences about a class, and the class vector they give.

After CLIP (Radford et al., ICML 2021, 3.1.4): each sentence is embedded and normalised, their mean is normalised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fsbench.errors import FsbenchError

if TYPE_CHECKING:
    from torch import Tensor

    from fusioner.encoders.frozen import TextEncoder


@dataclass(frozen=True)
class PromptSet:
    """A named ensemble; ``{}`` in a template stands for the class's name.

    >>> PromptSet("mine", ("a photo of a {}.", "{}")).about("dog")
    ['a photo of a dog.', 'dog']
    """

    name: str
    templates: tuple[str, ...]

    def __post_init__(self) -> None:
        wrong = [template for template in self.templates if "{}" not in template]
        if wrong or not self.templates:
            which = wrong or "none given"
            raise FsbenchError(f"prompts {self.name!r}: each template needs a {{}} for the class: {which}")

    def about(self, class_name: str) -> list[str]:
        """One text per template, in order."""
        return [template.replace("{}", class_name) for template in self.templates]


def _openai_imagenet() -> tuple[str, ...]:
    from open_clip import OPENAI_IMAGENET_TEMPLATES

    return tuple(template("{}") for template in OPENAI_IMAGENET_TEMPLATES)


SETS: dict[str, Callable[[], tuple[str, ...]]] = {
    "openai-imagenet": _openai_imagenet,
    "plain": lambda: ("a photo of a {}.",),
    "name": lambda: ("{}",),
    "scene": lambda: ("{}", "a photo of a {}.", "a picture of a {} in a scene.", "there is a {} in the photo."),
}
"""``openai-imagenet``: OpenAI's 80 for ImageNet, as open_clip ships them; ``plain`` and ``name``: one each; ``scene``:
four, for encoders of text alone."""


def prompt_set(name: str) -> PromptSet:
    """The set called ``name``; raises FsbenchError for an unknown one.

    >>> prompt_set("plain").about("potted plant")
    ['a photo of a potted plant.']
    """
    if name not in SETS:
        raise FsbenchError(f"no prompts {name!r}: choose one of {', '.join(SETS)}")
    return PromptSet(name, SETS[name]())


def class_embeddings(encoder: TextEncoder, names: Sequence[str], prompts: PromptSet) -> Tensor:
    """K class names to float32 K x width, each of length 1.

    Each class is embedded alone, so that its vector does not depend on the others, to the last bit.
    """
    import torch
    from torch.nn.functional import normalize

    if not names:
        raise FsbenchError("no class names: give at least one")
    with torch.no_grad():
        means = [normalize(encoder.embed(prompts.about(name)), dim=-1).mean(0) for name in names]
        return normalize(torch.stack(means), dim=-1)
