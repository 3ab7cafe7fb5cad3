"""The results folder behind the goldens: two separable models, one that is not ranked, and a part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.leaderboard.sample_records import part, write

CARDS: dict[str, dict[str, Any]] = {
    "good": {
        "prompts": "text",
        "url": "https://example.org/good?a=1&b=2",
        "licence": "MIT",
        "trained_parameters": 800_000,
        "total_parameters": 29_600_000,
        "training": {
            "*": {
                "training_data": "three folds",
                "test_images_seen": "no",
                "novel_masks_seen": "no",
                "novel_boxes_seen": "no",
                "novel_image_labels_seen": "no",
                "novel_image_text_seen": "yes",
            }
        },
    },
    "fair": {"prompts": "mask", "total_parameters": 4000},
    "told": {"contaminated": True},
    "part": {},
}


def write_results(folder: Path) -> Path:
    """Write the records of ``CARDS`` into ``folder``."""
    for model, quality in (("good", 0.8), ("fair", 0.6), ("told", 0.95), ("part", 0.7)):

        def change(said: dict[str, Any], model: str = model) -> None:
            said["model"] |= CARDS[model]
            said["timings"]["model_seconds"] = 1.5
            if model == "part":
                part(said)

        write(folder, model, quality, change)
    return folder
