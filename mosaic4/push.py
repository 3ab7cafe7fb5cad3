"""``fsbench push``: uploads a built Mosaic-4 to the Hugging Face hub; by default it only says what it would upload."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLE = "Example: fsbench push mosaic4 --repo someone/mosaic4-v1; then the same with --upload"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog=EXAMPLE)
def push(
    benchmark: Annotated[str, typer.Argument(help="A built Mosaic-4: a name under FSBENCH_HOME, or a folder.")],
    repo: Annotated[str, typer.Option(metavar="OWNER/NAME", help="The dataset repository on the hub.")],
    private: Annotated[bool, typer.Option("--private/--public", help="Who may see the repository.")] = True,
    revision: Annotated[
        str | None, typer.Option(help="The branch; created if missing. Default: main.", show_default=False)
    ] = None,
    pixels: Annotated[
        bool, typer.Option("--pixels", help="Consent to publish photographs, which the forms png and parquet hold.")
    ] = False,
    upload: Annotated[
        bool, typer.Option("--upload", help="Upload; without it, only print what would be uploaded.")
    ] = False,
) -> None:
    """Upload a built Mosaic-4 to the Hugging Face hub as a dataset. A dry run unless --upload is given."""
    from fsbench.errors import FsbenchError
    from mosaic4 import hub
    from mosaic4.upload_plan import files_of, find_dataset, plan

    hub.check_repo_id(repo)
    folder, dataset = find_dataset(benchmark)
    files = files_of(folder, dataset, repo)
    typer.echo("\n".join(plan(dataset, repo, files, private=private, revision=revision)))
    unconsented = dataset.form != "recipe" and not pixels
    if not upload:
        consent = ", with --pixels if you may publish the photographs" if unconsented else ""
        typer.echo(f"nothing was uploaded; --upload does it{consent}")
        return
    if unconsented:
        raise FsbenchError(
            f"{folder}: form {dataset.form} holds photographs, whose rights are with others: use --pixels if you may "
            "publish them, or push the form recipe, which holds none"
        )
    from huggingface_hub import HfApi

    hub.check_token()
    message = f"{dataset.recipe.name}, {dataset.form}, dataset digest {dataset.digests.dataset}"
    typer.echo(f"uploaded: {hub.upload(HfApi(), repo, files, private=private, revision=revision, message=message)}")
