"""``fsbench push``: what would go up, what never does, and every way in which the hub can refuse, without a network."""

from __future__ import annotations

import json
import re
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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

from fsbench.errors import FsbenchError
from mosaic4.benchmark import MosaicBenchmark
from mosaic4.build import build, recipe_of_classes
from mosaic4.card import card_text
from mosaic4.dataset import Dataset, Form, read_dataset
from mosaic4.hub import upload
from mosaic4.push import app, push
from tests.mosaic4.drawn_folders import KEYS

REPO = "someone/mosaic4-v1"
ALWAYS = ["README.md", "croissant.json", "mosaic4.json", "recipe.parquet"]
FORMS: tuple[Form, ...] = ("recipe", "png", "parquet")
Built = Mapping[str, Path]


@pytest.fixture(scope="module")
def built(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The 50 mosaics of five drawn classes in every form, with files beside them that must stay here."""
    here = tmp_path_factory.mktemp("push")
    recipe = recipe_of_classes(KEYS)
    for form in FORMS:
        build(folders, here / form, recipe, form=form)
        (here / form / "benchmark.json").write_text(json.dumps({"roots": {"root": str(folders)}}))
        (here / form / "notes.txt").write_text("mine")
        (here / form / ".hidden").write_text("mine")
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


def wanted(form: str) -> list[str]:
    numbers = [f"{mosaic:06d}.png" for mosaic in range(50)]
    return sorted(
        {
            "recipe": ALWAYS,
            "png": [*ALWAYS, "metadata.jsonl", *(f"{part}/{n}" for part in ("images", "masks") for n in numbers)],
            "parquet": [*ALWAYS, "data/test-00000-of-00001.parquet"],
        }[form]
    )


def committed(api: Any) -> tuple[dict[str, CommitOperationAdd], list[str]]:
    """Path -> addition, and deleted paths, of the one commit."""
    (call,) = api.create_commit.call_args_list
    operations = call.args[1]
    added = {one.path_in_repo: one for one in operations if isinstance(one, CommitOperationAdd)}
    deleted = [one.path_in_repo for one in operations if isinstance(one, CommitOperationDelete)]
    assert len(added) + len(deleted) == len(operations)
    return added, deleted


def refused(call: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(FsbenchError) as error:
        call(*arguments, **options)
    assert error.value.exit_code == 2
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("form", FORMS)
def test_a_dry_run_says_all_and_asks_nobody(
    built: Built, form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def connect(*_: object) -> None:
        pytest.fail("a dry run opened a connection")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    push(str(built[form]), REPO)
    said = capsys.readouterr().out
    files = wanted(form)
    card = card_text(read_dataset(built[form]), REPO).encode()
    total = len(card) + sum((built[form] / name).stat().st_size for name in files if name != "README.md")
    assert re.search(rf"in all +{total:,} bytes in {len(files)} files", said)
    assert f"to {REPO}, a private dataset, branch main" in said
    assert read_dataset(built[form]).digests.dataset in said
    assert "nothing was uploaded; --upload does it" in said
    assert ("PIXELS ARE PUBLISHED" in said, "--pixels" in said) == (form != "recipe", form != "recipe")
    assert f"licence {'apache-2.0' if form == 'recipe' else 'other'}" in said
    assert not any(name in said for name in ("benchmark.json", "notes.txt", "hidden"))


@pytest.mark.parametrize("form", FORMS)
def test_exactly_the_dataset_goes_up(built: Built, form: str, api: Any, capsys: pytest.CaptureFixture[str]) -> None:
    push(str(built[form]), REPO, private=False, pixels=True, upload=True)
    assert capsys.readouterr().out.endswith("uploaded: https://hub.test/commit/1\n")
    api.create_repo.assert_called_once_with(REPO, private=False, repo_type="dataset", exist_ok=True)
    api.create_branch.assert_not_called()
    added, deleted = committed(api)
    assert sorted(added) == wanted(form)
    assert deleted == []
    for name, operation in added.items():
        if name != "README.md":
            assert operation.path_or_fileobj == str(built[form] / name)
    assert added["README.md"].path_or_fileobj == card_text(read_dataset(built[form]), REPO).encode()
    options = api.create_commit.call_args.kwargs
    assert (options["repo_type"], options["revision"]) == ("dataset", None)
    assert read_dataset(built[form]).digests.dataset in options["commit_message"]


def test_no_path_of_this_machine_goes_up(built: Built, folders: Path) -> None:
    for form in FORMS:
        for name in (*ALWAYS[1:], *(["metadata.jsonl"] if form == "png" else [])):
            data = (built[form] / name).read_bytes()
            assert str(folders).encode() not in data
            assert str(built[form]).encode() not in data


@pytest.mark.parametrize("form", ["png", "parquet"])
def test_pixels_need_consent(built: Built, form: str, api: Any) -> None:
    assert "say --pixels if you may publish them" in refused(push, str(built[form]), REPO, upload=True)
    assert api.method_calls == []


def test_another_branch(built: Built, api: Any) -> None:
    push(str(built["recipe"]), REPO, revision="seed-0", upload=True)
    api.create_branch.assert_called_once_with(REPO, branch="seed-0", repo_type="dataset", exist_ok=True)
    assert api.create_commit.call_args.kwargs["revision"] == "seed-0"
    push(str(built["recipe"]), REPO, revision="refs/pr/1", upload=True)
    assert api.create_branch.call_count == 1


def test_pushed_again_it_replaces_the_mosaic_of_before(built: Built, api: Any) -> None:
    api.repo_exists.side_effect = lambda repo, *, repo_type: repo_type == "dataset"
    api.dataset_info.return_value.private = True
    left = ["images/0.png", "images/holiday.png", "data/other.parquet", "LICENSE", "sub/images/000001.png"]
    old = ["images/000049.png", "masks/000003.png", "metadata.jsonl", "mosaic4.json", "README.md"]
    api.list_repo_files.return_value = [".gitattributes", *old, *left]
    push(str(built["recipe"]), REPO, upload=True)
    api.create_repo.assert_not_called()
    assert committed(api)[1] == old[:3]


def test_what_is_no_mosaic_is_never_overwritten(built: Built, api: Any) -> None:
    api.repo_exists.side_effect = lambda repo, *, repo_type: repo_type == "dataset"
    api.dataset_info.return_value.private = True
    api.list_repo_files.return_value = [".gitattributes", "README.md", "train.csv"]
    assert "holds README.md and no mosaic4.json" in refused(push, str(built["recipe"]), REPO, upload=True)
    api.create_commit.assert_not_called()


def test_a_public_repository_is_not_taken_for_a_private_one(built: Built, api: Any) -> None:
    api.repo_exists.side_effect = lambda repo, *, repo_type: repo_type == "dataset"
    api.dataset_info.return_value.private = False
    assert "is public on the hub: say --public" in refused(push, str(built["recipe"]), REPO, upload=True)
    api.create_commit.assert_not_called()
    api.list_repo_files.return_value = []
    push(str(built["recipe"]), REPO, private=False, upload=True)
    assert sorted(committed(api)[0]) == ALWAYS


@pytest.mark.parametrize("other", ["model", "space"])
def test_a_repository_of_another_type(built: Built, api: Any, other: str) -> None:
    api.repo_exists.side_effect = lambda repo, *, repo_type: repo_type == other
    assert f"is a {other} on the hub, expected a dataset" in refused(push, str(built["recipe"]), REPO, upload=True)
    api.create_repo.assert_not_called()


@pytest.mark.parametrize("repo", ["", "name", "a/b/c", "a/b--c", "a/b.git", "a/ü", "a/.b", "a b/c", "a/" + "b" * 97])
def test_names_that_the_hub_does_not_take(built: Built, api: Any, repo: str) -> None:
    said = refused(push, str(built["recipe"]), repo, upload=True)
    assert said.startswith(f"--repo {repo!r}: ")
    assert said.endswith("give OWNER/NAME")
    assert api.method_calls == []


def test_no_token(built: Built, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    assert "'hf auth login', or set HF_TOKEN" in refused(push, str(built["recipe"]), REPO, upload=True)
    assert api.method_calls == []


def answer(status: int) -> HfHubHTTPError:
    response = httpx2.Response(status, request=httpx2.Request("POST", "https://hub.test"))
    return HfHubHTTPError(f"{status} Error\n\nmany\nlines", response=response)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (answer(401), "refuses (401: 401 Error many lines): log in"),
        (answer(403), "refuses (403: 403 Error many lines): log in"),
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
def test_whatever_the_hub_answers_is_one_line(built: Built, api: Any, error: Exception, said: str) -> None:
    for call in (api.create_repo, api.create_commit):
        call.side_effect = error
        assert said in refused(push, str(built["recipe"]), REPO, upload=True)
        call.side_effect = None


def test_a_refused_connection_is_one_line() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can take it, and it refuses
        endpoint = f"http://127.0.0.1:{held.getsockname()[1]}"
        api = HfApi(endpoint=endpoint, token="hf_token")
        said = refused(upload, api, REPO, {"README.md": b""}, private=True, revision=None, message="m")
    assert said.startswith(f"{endpoint}: cannot be reached (")


@pytest.fixture
def hub() -> Iterator[tuple[ThreadingHTTPServer, list[str]]]:
    """A server that answers every request with ``server.status`` and notes it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(self.server.status)  # type: ignore[attr-defined]
            self.send_header("X-Error-Message", "not for you")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("status", [401, 403])
def test_a_real_server_that_lets_nobody_write(hub: tuple[ThreadingHTTPServer, list[str]], status: int) -> None:
    server, asked = hub
    server.status = status  # type: ignore[attr-defined]
    api = HfApi(endpoint=f"http://127.0.0.1:{server.server_port}", token="hf_token")
    said = refused(upload, api, REPO, {"README.md": b""}, private=True, revision=None, message="m")
    assert said.startswith(f"{REPO}: the hub refuses ({status}: ")
    assert "log in with 'hf auth login'" in said
    assert asked[0] == f"GET /api/datasets/{REPO}"


def test_what_is_no_whole_mosaic_is_refused(built: Built, tmp_path: Path, api: Any) -> None:
    assert "nowhere: no folder with a mosaic4.json" in refused(push, "nowhere", REPO, upload=True)
    for form, name in (
        ("recipe", "recipe.parquet"),
        ("recipe", "croissant.json"),
        ("png", "masks/000007.png"),
        ("png", "metadata.jsonl"),
        ("parquet", "data/test-00000-of-00001.parquet"),
    ):
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        shutil.copytree(built[form], tmp_path / "copy")
        (tmp_path / "copy" / name).unlink()
        assert name in refused(push, str(tmp_path / "copy"), REPO, pixels=True, upload=True)
    shard = tmp_path / "copy" / "data" / "test-00000-of-00001.parquet"
    shard.write_bytes((built["parquet"] / "data" / shard.name).read_bytes()[:-1] + b"x")
    assert f"{shard} was altered" in refused(push, str(tmp_path / "copy"), REPO, pixels=True, upload=True)
    assert api.method_calls == []


def test_by_name(mosaic: MosaicBenchmark, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FSBENCH_HOME", str(mosaic.folder.parent))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [mosaic.folder.name, "--repo", REPO, "--public"])
    assert done.exit_code == 0
    assert f"to {REPO}, a public dataset" in done.output


def test_help_has_an_example() -> None:
    done = CliRunner().invoke(app, ["--help"])
    assert done.exit_code == 0
    assert "Example: fsbench push" in done.output


@pytest.mark.parametrize("form", FORMS)
def test_the_card_is_one_for_the_hub(built: Built, form: str, folders: Path) -> None:
    dataset = read_dataset(built[form])
    card = DatasetCard(card_text(dataset, REPO))
    said = card.data.to_dict()
    assert said["license"] == ("apache-2.0" if form == "recipe" else "other")
    assert said["task_categories"] == ["image-segmentation"]
    assert said["size_categories"] == ["n<1K"]
    assert said["pretty_name"] == "Mosaic-4 layout [5 own classes]"
    for digest in vars(dataset.digests).values():
        assert digest in card.text
    assert "fsbench build mosaic4 --root FSS-1000 --classes classes.txt" in card.text
    assert "fsbench verify" in card.text
    assert str(folders) not in card.content


def test_the_card_of_the_official_dataset_says_how_to_make_it_again(mosaic: MosaicBenchmark) -> None:
    drawn = mosaic.dataset

    def card(seed: int, grid: int) -> str:
        return card_text(
            Dataset(recipe_of_classes(None, seed, grid), {}, "recipe", drawn.digests, drawn.decoder, {}, {}), REPO
        )

    assert "fsbench build mosaic4 --root FSS-1000\n" in card(0, 2)
    assert "fsbench build mosaic4 --root FSS-1000 --grid 3 --seed 5\n" in card(5, 3)
    assert DatasetCard(card(0, 2)).data.to_dict()["size_categories"] == ["1K<n<10K"]
    assert DatasetCard(card(5, 3)).data.to_dict()["pretty_name"] == "Mosaic-9 (seed 5)"


@pytest.mark.parametrize("form", FORMS)
def test_what_went_up_loads(built: Built, form: str, api: Any, tmp_path: Path, mosaic: MosaicBenchmark) -> None:
    """A folder with the uploaded files alone, as the hub would have it, opened with ``datasets``."""
    push(str(built[form]), REPO, pixels=True, upload=True)
    for name, operation in committed(api)[0].items():
        (tmp_path / "hub" / name).parent.mkdir(parents=True, exist_ok=True)
        with operation.as_file() as file:
            (tmp_path / "hub" / name).write_bytes(file.read())
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
