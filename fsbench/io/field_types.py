"""Types of a record's fields: records are untrusted, so every number, text and name is bounded.

Names that become folder names cannot lead out of a folder. Ranges of options are those of ``plan.RANGES``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Interval = tuple[Fraction, Fraction]
LONGEST = 400
"""Characters of a text."""

Text = Annotated[str, Field(max_length=LONGEST)]
Amount = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Shots = Annotated[int, Field(ge=0, le=1000)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Run = Annotated[int, Field(ge=0, le=1000)]
Limit = Annotated[int, Field(ge=1, le=10**9)]
ClassId = Annotated[int, Field(gt=-(2**31), lt=2**31)]

MOST_FOLDS, MOST_CLASSES, MOST_TRAINING_CLASSES = 1000, 10_000, 30_000
MOST_LABELS = 255
"""Classes of a multi-class episode, and the background."""


def _is_no_path(value: str) -> str:
    if ".." in value:
        raise ValueError("must not hold '..' (it names a folder)")
    return value


FolderName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,79}$"), AfterValidator(_is_no_path)]
FoldName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
ProtocolId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9@._-]{0,79}$"), AfterValidator(_is_no_path)]
Modification = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9=._-]{0,79}$"), AfterValidator(_is_no_path)]
ScoreName = Annotated[str, Field(pattern=r"^[a-z0-9_.]{1,40}$")]
OptionName = Annotated[str, Field(max_length=100)]
Remark = Literal["probabilities"]
"""What a fold's counts do not show. ``probabilities``: its scores look like probabilities, see ``ScoreStats``."""
