"""The dataset card (``README.md``) of a Mosaic-4 on the Hugging Face hub.

Its front matter gives the hub the licence and the files that ``datasets.load_dataset`` reads as split ``test``; its
text explains the dataset, its digests, and how to build it again.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from mosaic4.benchmark import is_official, title_of
from mosaic4.dataset import PARQUET, Dataset, Form
from mosaic4.png_folder import METADATA

FILE = "README.md"

# Paths on the hub per form; the first configuration is the default of load_dataset. A repository has one loader, so a
# recipe, which is Parquet, is no configuration of a repository of PNG files.
_CONFIGURATIONS: dict[Form, dict[str, tuple[str, ...]]] = {
    "recipe": {"recipe": (PARQUET,)},
    "png": {"mosaics": (METADATA, "images/*.png", "masks/*.png")},
    "parquet": {"mosaics": ("data/test-*.parquet",), "recipe": (PARQUET,)},
}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))


def licence_of(dataset: Dataset) -> str:
    """The card's ``license``: the recipe is ours, pixels are not."""
    return "apache-2.0" if dataset.form == "recipe" else "other"


def card_text(dataset: Dataset, repo: str) -> str:
    """The card of ``dataset`` in the hub's dataset repository ``repo``."""
    title = title_of(dataset.recipe)
    return f"---\n{_front_matter(dataset, title)}---\n\n# {title}\n\n" + "\n\n".join(_body(dataset, repo)) + "\n"


def _front_matter(dataset: Dataset, title: str) -> str:
    """YAML, every value written as JSON, which is YAML too."""
    mosaics = len(dataset.recipe.mosaics)
    values: dict[str, Any] = {"license": licence_of(dataset)}
    if dataset.form != "recipe":
        values |= {"license_name": "as-fss-1000"}
    values |= {
        "pretty_name": title,
        "task_categories": ["image-segmentation"],
        "tags": ["few-shot-segmentation", "zero-shot-segmentation", dataset.recipe.name, "fsbench"],
        "size_categories": [next((name for most, name in _SIZES if mosaics < most), "100K<n<1M")],
        "configs": [
            {"config_name": name, "default": place == 0, "data_files": [{"split": "test", "path": list(paths)}]}
            for place, (name, paths) in enumerate(_CONFIGURATIONS[dataset.form].items())
        ],
    }
    return "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())


def _body(dataset: Dataset, repo: str) -> list[str]:
    recipe = dataset.recipe
    official = is_official(recipe)
    classes = (
        "the 240 official test classes" if official else f"{len(recipe.classes)} classes of the author's own choice"
    )
    options = f" --grid {recipe.grid}" * (recipe.grid != 2) + f" --seed {recipe.seed}" * (recipe.seed != 0)
    options += " --classes classes.txt" * (not official)
    what = {
        "recipe": (
            "This repository holds no pixels: the recipe is the dataset. It says which sample stands where, with the "
            "SHA-256 of each sample's photograph and mask."
        ),
        "png": "Images and masks are PNG files; a mask holds p + 1 where the object at position p is, 0 elsewhere.",
        "parquet": "Images and masks are PNG in Parquet; a mask holds p + 1 where the object at position p is, else 0.",
    }[dataset.form]
    owners = "FSS-1000's photographs and masks" if official else "The photographs and masks of the class folders"
    rights = "The recipe is under Apache-2.0. " + (
        f"{owners} are not in here."
        if dataset.form == "recipe"
        else f"{owners} are in here, copied unchanged; the rights in them are with their owners."
    )
    digests = "\n".join(f"| `{name}` | `{digest}` |" for name, digest in asdict(dataset.digests).items())
    return [
        f"`{recipe.name}`, recipe seed {recipe.seed}: {len(recipe.mosaics)} mosaics of {recipe.grid} x {recipe.grid} "
        f"samples of different classes, made of {len(recipe.samples)} samples in the layout of FSS-1000, of {classes}. "
        "It tests whether a segmentation model puts the right name on the right thing. Every sample stands exactly "
        "once in every position.",
        what,
        "The Fusioner paper introduced Mosaic-4 and published no files. This is a re-specification: numbers made with "
        "it and the paper's own are not of the same test.",
        f'```python\nfrom datasets import load_dataset\n\ndataset = load_dataset("{repo}", split="test")\n```',
        "## Make it again, and check it",
        f"```sh\nfsbench build mosaic4 --root FSS-1000{options}\nfsbench verify mosaic4\n```"
        if official
        else f"`classes.txt` holds the list `classes` of `mosaic4.json`, one a line.\n\n```sh\nfsbench build mosaic4 "
        f"--root FSS-1000{options} --out mosaics\nfsbench verify mosaics\n```",
        "Equal `dataset` digests mean the same dataset. `pixels` may differ between JPEG decoders alone; here it was "
        f"{dataset.decoder}.",
        f"| digest | SHA-256 |\n|---|---|\n{digests}",
        "## Licence",
        rights,
        "## Cite",
        f"Name, seed and digest: {recipe.name}, seed {recipe.seed}, dataset digest `{dataset.digests.dataset}`. "
        "FSS-1000 is by Li et al. (CVPR 2020), the idea of Mosaic-4 by Ma et al. (Fusioner, BMVC 2022).",
    ]
