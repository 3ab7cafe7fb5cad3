"""``fsbench push``: uploads a built Mosaic-4 to the Hugging Face hub, and says first what that would be.

What goes up is named file by file: the dataset and its card. Never ``benchmark.json``, which says where the raw data
lies on this machine, and never a file that no build wrote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mosaic4.dataset import Dataset

EXAMPLE = "Example: fsbench push mosaic4 --repo someone/mosaic4-v1; then the same with --upload"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog=EXAMPLE)
def push(
    benchmark: Annotated[str, typer.Argument(help="A built Mosaic-4: a name under FSBENCH_HOME, or a folder.")],
    repo: Annotated[str, typer.Option(metavar="OWNER/NAME", help="The dataset repository on the hub.")],
    private: Annotated[bool, typer.Option("--private/--public", help="Who may see the repository.")] = True,
    revision: Annotated[
        str | None, typer.Option(help="The branch; made where there is none. Default: main.", show_default=False)
    ] = None,
    pixels: Annotated[
        bool, typer.Option("--pixels", help="Consent to publish photographs, which the forms png and parquet hold.")
    ] = False,
    upload: Annotated[bool, typer.Option("--upload", help="Upload; without, only say what would be.")] = False,
) -> None:
    """Upload a built Mosaic-4 to the Hugging Face hub as a dataset. A dry run unless --upload is given."""
    from fsbench.errors import FsbenchError
    from mosaic4 import hub
    from mosaic4.card import FILE, card_text

    hub.check_repo_id(repo)
    folder, dataset = _built(benchmark)
    files: dict[str, Path | bytes] = {FILE: card_text(dataset, repo).encode()}
    files |= {path.relative_to(folder).as_posix(): path for path in _whole(folder, dataset)}
    for line in _plan(dataset, repo, files, private=private, revision=revision):
        typer.echo(line)
    if not upload:
        typer.echo(f"nothing was uploaded; --upload does it{_consent(dataset, pixels)}")
        return
    if dataset.form != "recipe" and not pixels:
        raise FsbenchError(
            f"{folder}: form {dataset.form} holds photographs, whose rights are with others: say --pixels if you may "
            "publish them, or push the form recipe, which holds none"
        )
    from huggingface_hub import HfApi

    hub.check_token()
    said = f"{dataset.recipe.name}, {dataset.form}, dataset digest {dataset.digests.dataset}"
    typer.echo(f"uploaded: {hub.upload(HfApi(), repo, files, private=private, revision=revision, message=said)}")


def _built(benchmark: str) -> tuple[Path, Dataset]:
    """Folder and dataset meant by a name or a folder; raises FsbenchError where there is none."""
    from fsbench.errors import FsbenchError
    from fsbench.home import home
    from mosaic4.dataset import JSON, read_dataset

    for folder in (Path(benchmark).expanduser(), home() / benchmark):
        if (folder / JSON).is_file():
            return folder, read_dataset(folder)
    raise FsbenchError(
        f"{benchmark}: no folder with a {JSON}, here or under {home()}: build it with 'fsbench build mosaic4'"
    )


def _whole(folder: Path, dataset: Dataset) -> list[Path]:
    """The files of the dataset; raises FsbenchError where one is missing or altered. PNG files are not read."""
    from fsbench.errors import FsbenchError
    from mosaic4 import croissant, png_folder
    from mosaic4.dataset import JSON, PARQUET
    from mosaic4.metadata_check import files_beside_faults
    from mosaic4.pixel_check import mosaic_files

    mosaics = sorted(mosaic_files(folder, dataset))
    faults = [f"{path} is missing" for path in mosaics if not path.is_file()]
    faults += files_beside_faults(folder, dataset, faults)
    if faults:
        count = f" ({len(faults)} faults)" if len(faults) > 1 else ""
        raise FsbenchError(f"{faults[0]}{count}: build it again, and see 'fsbench verify {folder}'")
    metadata = [png_folder.METADATA] if dataset.form == "png" else []
    return [*(folder / name for name in (JSON, PARQUET, croissant.FILE, *metadata)), *mosaics]


def _plan(
    dataset: Dataset, repo: str, files: Mapping[str, Path | bytes], *, private: bool, revision: str | None
) -> list[str]:
    """What would be uploaded, a line each; the files of a folder in one line."""
    from mosaic4.benchmark import mosaic_lists
    from mosaic4.card import licence_of

    count: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for name, file in files.items():
        head, slash, _ = name.partition("/")
        count[head + slash] += 1
        size[head + slash] += len(file) if isinstance(file, bytes) else file.stat().st_size
    lines = [f"{mosaic_lists(dataset.recipe).title}, form {dataset.form}, dataset digest {dataset.digests.dataset}"]
    lines += [f"to {repo}, a {'private' if private else 'public'} dataset, branch {revision or 'main'}, in one commit:"]
    for name in sorted(size):
        lines.append(f"  {name:<16}{size[name]:>14,} bytes" + (f" in {count[name]} files" if count[name] > 1 else ""))
    lines.append(f"  {'in all':<16}{size.total():>14,} bytes in {count.total()} files")
    lines.append(f"card: licence {licence_of(dataset)}; {_holds(dataset)}")
    if dataset.form == "png":
        lines.append("PNG files are there and were not read: 'fsbench verify' compares them pixel by pixel")
    return lines


def _holds(dataset: Dataset) -> str:
    if dataset.form == "recipe":
        return "holds no pixels: the names and hashes of samples alone"
    return f"PIXELS ARE PUBLISHED: {len(dataset.recipe.samples)} photographs and masks, whose rights are with others"


def _consent(dataset: Dataset, pixels: bool) -> str:
    return "" if dataset.form == "recipe" or pixels else ", with --pixels if you may publish the photographs"
