"""The small transformer that fuses an image's tokens with the names of classes.

Fusioner (Ma et al., BMVC 2022, arXiv 2210.15138, section 3.3 and its released code): visual and text tokens of frozen
encoders are projected to one width, concatenated and passed through pre-norm transformer blocks. Parameter names are
those of the released code, so that weights of either load into the other.

Nothing here draws from a global random state: weights come from a seed, dropout from ``Draws`` that are passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

import torch
from pydantic import ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from fsbench.errors import FsbenchError

M = TypeVar("M", bound=nn.Module)
Size = Annotated[int, Field(gt=0, le=16384)]
"""The bounds hold where a configuration is read from a file."""


@dataclass(frozen=True)
class FusionConfig:
    """Sizes of a Fusioner; the defaults are the paper's. Raises FsbenchError for a value that makes no model.

    ``visual_dim`` and ``text_dim`` are the widths of the encoders' outputs (Dv, Dt). ``fusion="late"`` is Table 1's
    control, in our reading: visual tokens go through the blocks alone, text through its projections alone.
    ``dropout`` and ``drop_path`` (stochastic depth, rising linearly to this value in the last block) act in training
    only; both are 0 in the paper. ``scales``: sizes of the decoder's maps after its first three stages, in grids; each
    is the one before, or twice it.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    visual_dim: Size
    text_dim: Size
    d_model: Size = 512
    layers: Annotated[int, Field(gt=0, le=64)] = 12
    heads: Annotated[int, Field(gt=0, le=256)] = 8
    fusion: Literal["early", "late"] = "early"
    dropout: float = 0.0
    drop_path: float = 0.0
    temperature: float = 0.07
    scales: tuple[Size, Size, Size] = (2, 4, 8)

    def __post_init__(self) -> None:
        for name in ("visual_dim", "text_dim", "d_model", "layers", "heads"):
            value = getattr(self, name)
            if not (isinstance(value, int) and value > 0):
                raise FsbenchError(f"{name} is {value!r}: give a whole number above 0")
        if self.d_model % self.heads:
            raise FsbenchError(
                f"d_model {self.d_model} is no multiple of heads {self.heads}: choose heads that divide it"
            )
        if self.fusion not in ("early", "late"):
            raise FsbenchError(f"fusion is {self.fusion!r}: early or late")
        for name in ("dropout", "drop_path"):
            if not 0 <= getattr(self, name) < 1:
                raise FsbenchError(f"{name} is {getattr(self, name)!r}: give a number from 0, below 1")
        steps = zip((1, *self.scales), self.scales, strict=False)
        if len(self.scales) != 3 or any(after not in (before, 2 * before) for before, after in steps):
            raise FsbenchError(f"scales are {self.scales}: give three, each the one before or twice it, as (2, 4, 8)")
        if not self.temperature > 0:
            raise FsbenchError(f"temperature is {self.temperature!r}: give a number above 0")


def undrawn(layer: Callable[..., M], *sizes: int, **options: int) -> M:
    """A layer without the weights that its constructor would draw from the global random state."""
    made = layer(*sizes, **options, device=torch.device("meta"))
    return made.to_empty(device=torch.get_default_device())


@dataclass(frozen=True)
class Draws:
    """What dropout draws in one training step.

    ``place``: (rank, ranks, examples): the batch holds every ``ranks``-th of the step's examples, from ``rank`` on. All
    of them are drawn for, and its own used, so a mask follows from an example's place in the step and the number of
    ranks changes nothing.
    """

    generator: torch.Generator
    place: tuple[int, int, int] | None = None

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """Numbers in [0, 1), on the generator's device; an example has one row of ``shape``, or several in turn."""
        if self.place is None:
            return torch.rand(shape, generator=self.generator, device=self.generator.device)
        rank, ranks, examples = self.place
        rows = shape[0] // len(range(rank, examples, ranks))
        drawn = torch.rand((examples * rows, *shape[1:]), generator=self.generator, device=self.generator.device)
        return drawn.reshape(examples, rows, *shape[1:])[rank::ranks].flatten(0, 1)


def dropped(x: Tensor, rate: float, draws: Draws | None, *, whole: bool = False) -> Tensor:
    """Inverted dropout of ``x`` (B x ...), of single elements or (``whole``) of whole samples.

    ``rate`` 0 gives ``x``. Raises FsbenchError without ``draws``, since the global random state is nobody's.
    """
    if not rate:
        return x
    if draws is None:
        raise FsbenchError("dropout needs random numbers in training: pass draws=Draws(generator), or call eval()")
    kept = draws.uniform((x.shape[0], *(1 for _ in x.shape[1:])) if whole else tuple(x.shape)) >= rate
    return x * kept.to(device=x.device, dtype=x.dtype).div_(1 - rate)


class Attention(nn.Module):
    """Multi-head self-attention, queries, keys and values in one linear with a bias."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = undrawn(nn.Linear, width, 3 * width)
        self.proj = undrawn(nn.Linear, width, width)

    def forward(self, x: Tensor) -> Tensor:
        """B x T x d -> B x T x d."""
        q, k, v = self.qkv(x).reshape(*x.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed: Tensor = self.proj(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return mixed


class Mlp(nn.Module):
    """Two linears around a GELU, four times as wide between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = undrawn(nn.Linear, width, 4 * width)
        self.fc2 = undrawn(nn.Linear, 4 * width, width)

    def forward(self, x: Tensor, dropout: float = 0.0, draws: Draws | None = None) -> Tensor:
        """B x T x d -> B x T x d; ``dropout`` acts on the wide activations."""
        out: Tensor = self.fc2(dropped(functional.gelu(self.fc1(x)), dropout, draws))
        return out


class Block(nn.Module):
    """x + attention(LN x), then x + MLP(LN x); in training each branch may lose elements, or be left out whole."""

    def __init__(self, width: int, heads: int, dropout: float, drop_path: float) -> None:
        super().__init__()
        self.dropout, self.drop_path = dropout, drop_path
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor, draws: Draws | None = None) -> Tensor:
        """B x T x d -> B x T x d."""
        elements, paths = (self.dropout, self.drop_path) if self.training else (0.0, 0.0)
        branch = dropped(self.attn(self.norm1(x)), elements, draws)
        x = x + dropped(branch, paths, draws, whole=True)
        branch = dropped(self.mlp(self.norm2(x), elements, draws), elements, draws)
        return x + dropped(branch, paths, draws, whole=True)


class Fusion(nn.Module):
    """Projections, blocks, final norm and the two last matrices; weights are drawn by ``Fusioner``."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        width, last = config.d_model, max(config.layers - 1, 1)
        self.late = config.fusion == "late"
        self.cls_emb = nn.Parameter(torch.empty(1, width))
        self.proj_patch = nn.Parameter(torch.empty(width, width))
        self.proj_classes = nn.Parameter(torch.empty(width, width))
        self.blocks = nn.ModuleList(
            Block(width, config.heads, config.dropout, config.drop_path * layer / last)
            for layer in range(config.layers)
        )
        self.visual_proj = nn.Sequential(
            nn.LayerNorm(config.visual_dim), undrawn(nn.Linear, config.visual_dim, width), nn.LayerNorm(width)
        )
        self.text_proj = nn.Sequential(nn.LayerNorm(config.text_dim), undrawn(nn.Linear, config.text_dim, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, visual: Tensor, text: Tensor, draws: Draws | None = None) -> tuple[Tensor, Tensor]:
        """Every class alone with the image: B x N x Dv and B x K x Dt -> B x K' x N x d and B x K x d.

        The visual projection is shared by an image's classes. K' is K; in late fusion, where no class changes the
        visual tokens, it is 1.
        """
        v, t = self.visual_proj(visual), self.text_proj(text) + self.cls_emb
        if self.late:
            fused, t = self._late(v, t, draws)
            return fused[:, None], t
        b, k = t.shape[:2]
        v = v[:, None].expand(-1, k, -1, -1).flatten(0, 1)
        v, t = self._early(v, t.flatten(0, 1)[:, None], draws)
        return v.reshape(b, k, *v.shape[1:]), t.reshape(b, k, -1)

    def joint(self, visual: Tensor, text: Tensor, draws: Draws | None = None) -> tuple[Tensor, Tensor]:
        """All classes at once with the image: B x N x Dv and B x K x Dt -> B x N x d and B x K x d.

        Not ``forward`` for K > 1, unless fusion is late: classes see one another.
        """
        v, t = self.visual_proj(visual), self.text_proj(text) + self.cls_emb
        return self._late(v, t, draws) if self.late else self._early(v, t, draws)

    def _early(self, v: Tensor, t: Tensor, draws: Draws | None) -> tuple[Tensor, Tensor]:
        x = torch.cat((v, t), dim=1)
        for block in self.blocks:
            x = block(x, draws)
        x = self.norm(x)
        return x[:, : v.shape[1]] @ self.proj_patch, x[:, v.shape[1] :] @ self.proj_classes

    def _late(self, v: Tensor, t: Tensor, draws: Draws | None) -> tuple[Tensor, Tensor]:
        for block in self.blocks:
            v = block(v, draws)
        return self.norm(v) @ self.proj_patch, t @ self.proj_classes
