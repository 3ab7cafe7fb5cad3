"""What ``fsbench push`` uploads: the files of the dataset and its card, named one by one.

Never ``benchmark.json``, which holds a path of this machine, and never a file that no build wrote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from fsbench.errors import FsbenchError
from fsbench.home import home
from mosaic4 import croissant, png_folder
from mosaic4.benchmark import title_of
from mosaic4.card import FILE, card_text, licence_of
from mosaic4.dataset import JSON, PARQUET, Dataset, read_dataset
from mosaic4.metadata_check import metadata_faults
from mosaic4.pixel_check import mosaic_files


def find_dataset(benchmark: str) -> tuple[Path, Dataset]:
    """The folder and dataset with this name or path; raises FsbenchError where none exists."""
    for folder in (Path(benchmark).expanduser(), home() / benchmark):
        if (folder / JSON).is_file():
            return folder, read_dataset(folder)
    raise FsbenchError(
        f"{benchmark}: no folder with a {JSON}, here or under {home()}: build it with 'fsbench build mosaic4'"
    )


def files_of(folder: Path, dataset: Dataset, repo: str) -> dict[str, Path | bytes]:
    """Path on the hub -> file or bytes. PNG files are not read.

    Raises FsbenchError where a file is missing or altered.
    """
    mosaics = sorted(mosaic_files(folder, dataset))
    faults = [f"{path} is missing" for path in mosaics if not path.is_file()]
    faults += metadata_faults(folder, dataset, faults)
    if faults:
        count = f" ({len(faults)} faults)" if len(faults) > 1 else ""
        raise FsbenchError(f"{faults[0]}{count}: build it again, and see 'fsbench verify {folder}'")
    metadata = [png_folder.METADATA] if dataset.form == "png" else []
    paths = [*(folder / name for name in (JSON, PARQUET, croissant.FILE, *metadata)), *mosaics]
    return {
        FILE: card_text(dataset, repo).encode(),
        **{path.relative_to(folder).as_posix(): path for path in paths},
    }


def plan(
    dataset: Dataset, repo: str, files: Mapping[str, Path | bytes], *, private: bool, revision: str | None
) -> list[str]:
    """A description of the upload in lines; the files of a folder share one."""
    count: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for name, file in files.items():
        head, slash, _ = name.partition("/")
        count[head + slash] += 1
        size[head + slash] += len(file) if isinstance(file, bytes) else file.stat().st_size
    lines = [f"{title_of(dataset.recipe)}, form {dataset.form}, dataset digest {dataset.digests.dataset}"]
    lines += [f"to {repo}, a {'private' if private else 'public'} dataset, branch {revision or 'main'}, in one commit:"]
    for name in sorted(size):
        lines.append(f"  {name:<16}{size[name]:>14,} bytes" + (f" in {count[name]} files" if count[name] > 1 else ""))
    lines.append(f"  {'in all':<16}{size.total():>14,} bytes in {count.total()} files")
    pixels = "holds no pixels: the names and hashes of samples alone"
    if dataset.form != "recipe":
        samples = len(dataset.recipe.samples)
        pixels = f"PIXELS ARE PUBLISHED: {samples} photographs and masks, whose rights are with others"
    lines.append(f"card: licence {licence_of(dataset)}; {pixels}")
    if dataset.form == "png":
        lines.append("PNG files exist and were not read: 'fsbench verify' compares them pixel by pixel")
    return lines
