"""``fsbench push``: what is uploaded, what never is, and every way in which the hub can refuse, without a network."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import httpx2
import huggingface_hub
import numpy as np
import pytest
from datasets import load_dataset
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, DatasetCard, HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled
from typer.testing import CliRunner

from mosaic4.benchmark import MosaicBenchmark
from mosaic4.build import recipe_of_classes
from mosaic4.card import card_text
from mosaic4.dataset import FORMS, Dataset, Form, read_dataset
from mosaic4.hub import upload
from mosaic4.push import app, push
from tests.mosaic4.drawn_folders import Forms
from tests.refusals import refusal

REPO = "someone/mosaic4-v1"
ALWAYS = ["README.md", "croissant.json", "mosaic4.json", "recipe.parquet"]
PNGS = [f"{folder}/{mosaic:06d}.png" for folder in ("images", "masks") for mosaic in range(50)]
UPLOADED: dict[Form, list[str]] = {
    "recipe": ALWAYS,
    "png": sorted([*ALWAYS, "metadata.jsonl", *PNGS]),
    "parquet": sorted([*ALWAYS, "data/test-00000-of-00001.parquet"]),
}
Built = Mapping[Form, Path]


@pytest.fixture(scope="module")
def built(forms: Forms, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The 50 mosaics in every form, with files that must not be uploaded."""
    here = tmp_path_factory.mktemp("push")
    for form, (folder, _) in forms.items():
        shutil.copytree(folder, here / form)
        for name in ("benchmark.json", "notes.txt", ".hidden"):
            (here / form / name).write_text("mine")
    (here / "png" / "images" / "holiday.png").write_text("mine")
    return {form: here / form for form in FORMS}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An HfApi that answers as an empty hub does, with the real one's signatures; and a token."""
    api = create_autospec(HfApi, instance=True)
    api.endpoint = "https://hub.test"
    api.repo_exists.return_value = False
    api.list_repo_files.return_value = [".gitattributes"]
    api.create_commit.return_value.commit_url = "https://hub.test/commit/1"
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: api)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "hf_token")
    return api


@pytest.fixture
def existing(api: Any) -> Any:
    """The same with a private dataset in the repository."""
    api.repo_exists.side_effect = lambda repo, *, repo_type: repo_type == "dataset"
    api.dataset_info.return_value.private = True
    return api


def committed(api: Any) -> tuple[dict[str, CommitOperationAdd], list[str]]:
    """Path -> addition, and deleted paths, of the one commit."""
    (call,) = api.create_commit.call_args_list
    operations = call.args[1]
    added = {one.path_in_repo: one for one in operations if isinstance(one, CommitOperationAdd)}
    deleted = [one.path_in_repo for one in operations if isinstance(one, CommitOperationDelete)]
    assert len(added) + len(deleted) == len(operations)
    return added, deleted


def refused(folder: Path | str, repo: str = REPO, **options: Any) -> str:
    return refusal(push, str(folder), repo, upload=True, **options)


@pytest.mark.parametrize("form", FORMS)
def test_a_dry_run_says_everything_and_opens_no_connection(
    built: Built, form: Form, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a dry run opened a connection"))
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    push(str(built[form]), REPO)
    text = capsys.readouterr().out
    dataset, files = read_dataset(built[form]), UPLOADED[form]
    total = len(card_text(dataset, REPO).encode()) + sum((built[form] / n).stat().st_size for n in files[1:])
    assert re.search(rf"in all +{total:,} bytes in {len(files)} files", text)
    assert f"to {REPO}, a private dataset, branch main" in text
    assert dataset.digests.dataset in text
    assert "nothing was uploaded; --upload does it" in text
    assert ("PIXELS ARE PUBLISHED" in text, "--pixels" in text) == (form != "recipe", form != "recipe")
    assert f"licence {'apache-2.0' if form == 'recipe' else 'other'}" in text
    assert not any(name in text for name in ("benchmark.json", "notes.txt", "hidden"))


@pytest.mark.parametrize("form", FORMS)
def test_exactly_the_dataset_is_uploaded_and_loads(
    built: Built, form: Form, api: Any, mosaic: MosaicBenchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push(str(built[form]), REPO, private=False, pixels=True, upload=True)
    assert capsys.readouterr().out.endswith("uploaded: https://hub.test/commit/1\n")
    api.create_repo.assert_called_once_with(REPO, private=False, repo_type="dataset", exist_ok=True)
    api.create_branch.assert_not_called()
    added, deleted = committed(api)
    assert (sorted(added), deleted) == (UPLOADED[form], [])
    options = api.create_commit.call_args.kwargs
    assert (options["repo_type"], options["revision"]) == ("dataset", None)
    assert mosaic.dataset.digests.dataset in options["commit_message"]
    for name, operation in added.items():
        with operation.as_file() as file:
            data = file.read()
        assert data == ((built[form] / name).read_bytes() if name != "README.md" else data)
        assert str(mosaic.roots["root"]).encode() not in data
        assert str(built[form]).encode() not in data
        (tmp_path / "hub" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "hub" / name).write_bytes(data)
    loaded = load_dataset(str(tmp_path / "hub"), split="test", cache_dir=str(tmp_path / "cache"))
    if form == "recipe":
        assert loaded["sample"][:4] == list(mosaic.dataset.recipe.mosaics[0])
        assert loaded.num_rows == 200
        return
    assert loaded.num_rows == 50
    for row in (loaded[0], loaded[49]):
        image, mask = mosaic.mosaics[row["mosaic"]]
        assert np.array_equal(np.asarray(row["image"]), image)
        assert np.array_equal(np.asarray(row["mask"]), mask)
        assert tuple(row["samples"]) == mosaic.dataset.recipe.mosaics[row["mosaic"]]


def test_another_branch(built: Built, api: Any) -> None:
    push(str(built["recipe"]), REPO, revision="seed-0", upload=True)
    api.create_branch.assert_called_once_with(REPO, branch="seed-0", repo_type="dataset", exist_ok=True)
    assert api.create_commit.call_args.kwargs["revision"] == "seed-0"
    push(str(built["recipe"]), REPO, revision="refs/pr/1", upload=True)
    assert api.create_branch.call_count == 1


def test_pushing_again_removes_the_earlier_files(built: Built, existing: Any) -> None:
    others = ["images/0.png", "images/holiday.png", "data/other.parquet", "LICENSE", "sub/images/000001.png"]
    old = ["images/000049.png", "masks/000003.png", "metadata.jsonl", "mosaic4.json", "README.md"]
    existing.list_repo_files.return_value = [".gitattributes", *old, *others]
    push(str(built["recipe"]), REPO, upload=True)
    existing.create_repo.assert_not_called()
    assert committed(existing)[1] == old[:3]


def test_other_repositories_and_pixels_without_consent_are_refused(built: Built, existing: Any) -> None:
    existing.list_repo_files.return_value = [".gitattributes", "README.md", "train.csv"]
    assert "holds README.md and no mosaic4.json" in refused(built["recipe"])
    existing.dataset_info.return_value.private = False
    assert "is public on the hub: use --public" in refused(built["recipe"])
    existing.repo_exists.side_effect = lambda repo, *, repo_type: repo_type == "space"
    assert "is a space on the hub, expected a dataset" in refused(built["recipe"])
    for form in FORMS[1:]:
        assert "use --pixels if you may publish them" in refused(built[form])
    existing.create_repo.assert_not_called()
    existing.create_commit.assert_not_called()


@pytest.mark.parametrize("repo", ["", "name", "a/b/c", "a/b--c", "a/ü", "a b/c", "a/" + "b" * 97])
def test_bad_repository_names(built: Built, api: Any, repo: str) -> None:
    error = refused(built["recipe"], repo)
    assert error.startswith(f"--repo {repo!r}: ")
    assert error.endswith("give OWNER/NAME")
    assert api.method_calls == []


def test_no_token(built: Built, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    assert "'hf auth login', or set HF_TOKEN" in refused(built["recipe"])
    assert api.method_calls == []


def answer(status: int) -> HfHubHTTPError:
    response = httpx2.Response(status, request=httpx2.Request("POST", "https://hub.test"))
    return HfHubHTTPError(f"{status} Error\n\nmany\nlines", response=response)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (answer(401), "refuses (401: 401 Error many lines): log in"),
        (answer(503), "refuses (503: 503 Error many lines): try again later"),
        (httpx2.ConnectTimeout("timed out"), "https://hub.test: cannot be reached (timed out)"),
        (OfflineModeIsEnabled("offline\nmode"), "https://hub.test: cannot be reached (offline mode)"),
        (LocalTokenNotFoundError("no token"), "https://hub.test: cannot be reached (no token)"),
        (FileNotFoundError(2, "gone", "recipe.parquet"), "recipe.parquet: cannot be read"),
        (RuntimeError("Error while uploading\n'data'"), "the upload failed (Error while uploading 'data')"),
        (ValueError("LFS batch API"), "the upload failed (LFS batch API)"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_every_error_of_the_hub_is_one_line(built: Built, api: Any, error: Exception, message: str) -> None:
    api.create_commit.side_effect = error
    assert message in refused(built["recipe"])


def test_a_refused_connection_is_one_line() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can take it, and it refuses
        endpoint = f"http://127.0.0.1:{held.getsockname()[1]}"
        api = HfApi(endpoint=endpoint, token="hf_token")
        message = refusal(upload, api, REPO, {"README.md": b""}, private=True, revision=None, message="m")
    assert message.startswith(f"{endpoint}: cannot be reached (")


def test_an_incomplete_mosaic_is_refused(built: Built, tmp_path: Path, api: Any) -> None:
    assert "nowhere: no folder with a mosaic4.json" in refused("nowhere")
    for form in FORMS:
        shutil.copytree(built[form], tmp_path / form)
    for path in ("recipe/recipe.parquet", "png/metadata.jsonl", "png/masks/000007.png"):
        data = (tmp_path / path).read_bytes()
        (tmp_path / path).unlink()
        assert Path(path).name in refused(tmp_path / path.partition("/")[0], pixels=True)
        (tmp_path / path).write_bytes(data)
    shard = tmp_path / "parquet" / "data" / "test-00000-of-00001.parquet"
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    assert f"{shard} was altered" in refused(tmp_path / "parquet", pixels=True)
    assert api.method_calls == []


def test_on_the_command_line_by_name(mosaic: MosaicBenchmark, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FSBENCH_HOME", str(mosaic.folder.parent))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [mosaic.folder.name, "--repo", REPO, "--public"])
    assert done.exit_code == 0
    assert f"to {REPO}, a public dataset" in done.output
    assert "Example: fsbench push" in CliRunner().invoke(app, ["--help"]).output


@pytest.mark.parametrize("form", FORMS)
def test_the_card_is_valid_on_the_hub(built: Built, form: Form, folders: Path) -> None:
    dataset = read_dataset(built[form])
    card = DatasetCard(card_text(dataset, REPO))
    data = card.data.to_dict()
    assert data["license"] == ("apache-2.0" if form == "recipe" else "other")
    assert data["task_categories"] == ["image-segmentation"]
    assert (data["size_categories"], data["pretty_name"]) == (["n<1K"], "Mosaic-4 layout [5 own classes]")
    assert all(digest in card.text for digest in vars(dataset.digests).values())
    assert "fsbench build mosaic4 --root FSS-1000 --classes classes.txt" in card.text
    assert "fsbench verify" in card.text
    assert str(folders) not in card.content


@pytest.mark.parametrize(
    ("seed", "grid", "title", "flags"), [(0, 2, "Mosaic-4", ""), (5, 3, "Mosaic-9 (seed 5)", " --grid 3 --seed 5")]
)
def test_the_card_of_an_official_dataset(mosaic: MosaicBenchmark, seed: int, grid: int, title: str, flags: str) -> None:
    recipe = recipe_of_classes(None, seed, grid)
    card = DatasetCard(card_text(Dataset(recipe, {}, "recipe", mosaic.dataset.digests, "", {}, {}), REPO))
    assert f"fsbench build mosaic4 --root FSS-1000{flags}\n" in card.text
    data = card.data.to_dict()
    assert (data["size_categories"], data["pretty_name"]) == (["1K<n<10K"], title)
