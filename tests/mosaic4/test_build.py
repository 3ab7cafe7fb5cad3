"""Building: the same bytes however it is run, and a folder in which nothing of others is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fsbench.errors import FsbenchError
from fsbench.io.locks import building
from mosaic4 import out_folder
from mosaic4.build import build, recipe_of_classes
from mosaic4.dataset import FORMS, Form, read_dataset
from mosaic4.recipe import make_recipe
from tests.mosaic4.drawn_folders import KEYS

RECIPE = recipe_of_classes(KEYS)
BUILD = """
import sys
from pathlib import Path
from mosaic4.build import build, recipe_of_classes
root, out, form, workers, *keys = sys.argv[1:]
build(Path(root), Path(out), recipe_of_classes(keys), form=form, workers=int(workers))
"""


def contents(folder: Path) -> dict[str, bytes]:
    """Every file in ``folder``, hidden ones included, but for lock files."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("form", FORMS)
def test_workers_locale_time_zone_and_hash_seed_do_not_matter(form: Form, folders: Path, tmp_path: Path) -> None:
    build(folders, tmp_path / "here", RECIPE, form=form, workers=1)
    expected = contents(tmp_path / "here")
    for number, (workers, environment) in enumerate(
        [
            ("4", {"LC_ALL": "C", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "0"}),
            ("1", {"LC_ALL": "tr_TR.UTF-8", "TZ": "America/St_Johns", "PYTHONHASHSEED": "77", "PYTHONUTF8": "0"}),
        ]
    ):
        out = tmp_path / f"there{number}"
        command = [sys.executable, "-c", BUILD, str(folders), str(out), form, workers, *reversed(KEYS)]
        subprocess.run(command, check=True, env={**os.environ, **environment})
        assert contents(out) == expected


@pytest.mark.parametrize("form", ["png", "parquet"])
def test_a_build_that_was_cut_off_resumes_and_keeps_undamaged_files(form: Form, folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mosaic4.build.write_recipe", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            build(folders, out, RECIPE, form=form)
    assert not (out / "mosaic4.json").exists()
    kept = {path: path.stat() for path in out.rglob("0*.png" if form == "png" else "data/*")}
    assert kept
    lost, damaged = (next(iter(kept)), next(reversed(kept)))
    if form == "png":
        lost.unlink()
    damaged.write_bytes(damaged.read_bytes()[:-40] + bytes(40))
    build(folders, out, RECIPE, form=form)
    again = {path for path, stat in kept.items() if path.stat().st_mtime_ns != stat.st_mtime_ns}
    assert again == ({lost, damaged} if form == "png" else {damaged})
    build(folders, tmp_path / "undisturbed", RECIPE, form=form)
    assert contents(out) == contents(tmp_path / "undisturbed")


@pytest.mark.parametrize("first", FORMS)
def test_building_again_mends_an_altered_folder_and_leaves_nothing_of_another_form(
    first: Form, folders: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    build(folders, out, RECIPE, form=first)
    guests = {"benchmark.json": b"{}\n", "README.md": b"# card\n", ".cache": b"hidden"}
    for name, data in guests.items():
        (out / name).write_bytes(data)
    for path in out.rglob("*.p*"):
        path.write_bytes(b"altered")
    build(folders, out, RECIPE, form="png")
    build(folders, tmp_path / "undisturbed", RECIPE, form="png")
    assert contents(out) == {**contents(tmp_path / "undisturbed"), **guests}


@pytest.mark.parametrize(
    "stranger", ["thesis.txt", "images/cat.jpg", "masks/000000.png", "data/x.parquet", "recipe.parquet", "other/file"]
)
@pytest.mark.parametrize("form", FORMS)
def test_a_folder_with_files_of_others_is_refused_and_left_alone(
    stranger: str, form: Form, folders: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / stranger).parent.mkdir(parents=True)
    (out / stranger).write_bytes(b"mine")
    named = out / ("other" if stranger.startswith("other") else stranger)
    with pytest.raises(FsbenchError, match="is there already, and no build of Mosaic-4 left it") as error:
        build(folders, out, RECIPE, form=form)
    assert str(error.value).startswith(f"{named}: ")
    assert contents(out) == {stranger: b"mine"}


@pytest.mark.parametrize("stranger", ["thesis.txt", "images/cat.jpg", "masks/1.png"])
def test_so_is_a_built_folder_into_which_a_file_was_put(stranger: str, folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(folders, out, RECIPE, form="png")
    (out / stranger).write_bytes(b"mine")
    before = contents(out)
    with pytest.raises(FsbenchError, match="is there already"):
        build(folders, out, RECIPE, form="png")
    assert contents(out) == before


def test_a_folder_that_cannot_be_made_and_an_unknown_form_are_refused(folders: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FsbenchError, match="choose another --out"):
        build(folders, tmp_path / "file" / "out", RECIPE)
    with pytest.raises(FsbenchError, match="form 'zip': expected one of recipe, png, parquet"):
        build(folders, tmp_path / "out", RECIPE, form="zip")  # type: ignore[arg-type]


def test_a_build_of_something_else_goes_on_with_nothing(folders: Path, tmp_path: Path) -> None:
    """What was cut off with another seed, form or library is cleared away."""
    out = tmp_path / "out"
    build(folders, out, recipe_of_classes(KEYS, seed=1), form="png")
    (out / out_folder.MARKER).write_text("another build\n")
    (out / "images" / ".000003.png.123.tmp").write_bytes(b"half")
    (out / ".77.tmp").write_bytes(b"")
    build(folders, out, RECIPE, form="parquet")
    build(folders, tmp_path / "undisturbed", RECIPE, form="parquet")
    assert contents(out) == contents(tmp_path / "undisturbed")


@pytest.mark.parametrize("form", FORMS)
def test_what_is_read_is_what_was_built(form: Form, folders: Path, tmp_path: Path) -> None:
    built = build(folders, tmp_path / "out", RECIPE, form=form)
    assert read_dataset(tmp_path / "out") == built


def test_a_recipe_that_started_again_is_built_and_read(folders: Path, tmp_path: Path) -> None:
    """A sample of each of five classes, with the first seed that needs a second attempt."""
    recipe = make_recipe([f"{key}/1" for key in KEYS], seed=next(s for s in range(99) if again(s)))
    built = build(folders, tmp_path / "out", recipe)
    assert read_dataset(tmp_path / "out") == built
    assert f'"seed_used": "{recipe.seed}+' in (tmp_path / "out" / "mosaic4.json").read_text(encoding="utf-8")


def again(seed: int) -> bool:
    return "+" in make_recipe([f"{key}/1" for key in KEYS], seed).seed_used


def test_builds_into_one_folder_leave_one_whole_result(folders: Path, tmp_path: Path) -> None:
    whole = []
    for form in ("png", "parquet"):
        build(folders, tmp_path / form, RECIPE, form=form)
        whole.append(contents(tmp_path / form))
    for attempt in range(3):
        out = tmp_path / f"out{attempt}"
        commands = [[sys.executable, "-c", BUILD, str(folders), str(out), form, "1", *KEYS] for form in FORMS[1:]]
        running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
        said = [process.communicate()[1] for process in running]
        assert contents(out) in whole
        for process, text in zip(running, said, strict=True):
            assert process.returncode == 0 or f"{out}: another run is at work here" in text, text


def test_a_build_says_that_another_is_at_work(folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with building(out):
        command = [sys.executable, "-c", BUILD, str(folders), str(out), "recipe", "1", *KEYS]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{out}: another run is at work here: wait for it, or choose another --out" in done.stderr
    assert contents(out) == {}
