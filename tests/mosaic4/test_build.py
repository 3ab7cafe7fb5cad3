"""Building: the same bytes however it is run, and a folder in which nothing of others is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from fsbench.errors import FsbenchError
from fsbench.io.locks import building
from mosaic4 import out_folder
from mosaic4.build import build, recipe_of_classes
from mosaic4.dataset import FORMS, Form, read_dataset
from mosaic4.recipe import make_recipe
from tests.mosaic4.drawn_folders import KEYS, RECIPE, Forms, contents
from tests.refusals import refusal

BUILD = """
import sys
from pathlib import Path
from mosaic4.build import build, recipe_of_classes
root, out, forms, workers, *keys = sys.argv[1:]
print("ready", flush=True)
for form in forms.split(","):
    build(Path(root), Path(out.format(form)), recipe_of_classes(keys), form=form, workers=int(workers))
"""


def command(folders: Path, out: str, forms: str, workers: int = 1, keys: Sequence[str] = KEYS[::-1]) -> list[str]:
    return [sys.executable, "-c", BUILD, str(folders), out, forms, str(workers), *keys]


def test_workers_locale_time_zone_and_hash_seed_do_not_matter(forms: Forms, folders: Path, tmp_path: Path) -> None:
    environment = {"LC_ALL": "tr_TR.UTF-8", "TZ": "America/St_Johns", "PYTHONHASHSEED": "77", "PYTHONUTF8": "0"}
    run = command(folders, f"{tmp_path}/{{}}", ",".join(FORMS), workers=4)
    subprocess.run(run, check=True, env={**os.environ, **environment})
    for form in FORMS:
        assert contents(tmp_path / form) == contents(forms[form][0])


@pytest.mark.parametrize("form", ["png", "parquet"])
def test_a_stopped_build_resumes_and_keeps_undamaged_files(
    form: Form, forms: Forms, folders: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mosaic4.build.write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            build(folders, out, RECIPE, form=form)
    assert not (out / "mosaic4.json").exists()
    kept = {path: path.stat() for path in out.rglob("0*.png" if form == "png" else "data/*")}
    assert kept
    lost, damaged = (next(iter(kept)), next(reversed(kept)))
    if form == "png":
        lost.unlink()
        (out / "metadata.jsonl").write_bytes(b"damaged")
    data = damaged.read_bytes()
    damaged.write_bytes(data[:-40] + bytes([data[-40] ^ 0x10]) + data[-39:])
    build(folders, out, RECIPE, form=form)
    again = {path for path, stat in kept.items() if path.stat().st_mtime_ns != stat.st_mtime_ns}
    assert again == ({lost, damaged} if form == "png" else {damaged})
    assert contents(out) == contents(forms[form][0])


@pytest.mark.parametrize("first", ["png", "parquet"])
def test_building_again_repairs_a_folder_and_removes_another_form(
    first: Form, forms: Forms, folders: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    build(folders, out, RECIPE, form=first)
    guests = {"benchmark.json": b"{}\n", "README.md": b"# card\n", ".cache": b"hidden"}
    for name, data in guests.items():
        (out / name).write_bytes(data)
    for path in out.rglob("*.p*"):
        path.write_bytes(b"altered")
    build(folders, out, RECIPE, form="png")
    assert contents(out) == {**contents(forms["png"][0]), **guests}


@pytest.mark.parametrize(
    "foreign", ["thesis.txt", "images/cat.jpg", "masks/000000.png", "data/x.parquet", "recipe.parquet", "other/file"]
)
def test_a_folder_with_other_files_is_refused_and_unchanged(foreign: str, folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / foreign).parent.mkdir(parents=True)
    (out / foreign).write_bytes(b"mine")
    named = out / ("other" if foreign.startswith("other") else foreign)
    with pytest.raises(FsbenchError, match="already exists and was not written by a build of Mosaic-4") as error:
        build(folders, out, RECIPE)
    assert str(error.value).startswith(f"{named}: ")
    assert contents(out) == {foreign: b"mine"}


def test_a_file_added_to_a_built_folder_is_never_removed(folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(folders, out, RECIPE, form="png")
    for foreign in ("thesis.txt", "images/cat.jpg", "masks/1.png"):
        (out / foreign).write_bytes(b"mine")
        before = contents(out)
        assert f"{foreign}: already exists" in refusal(build, folders, out, RECIPE, form="png")
        assert contents(out) == before
        (out / foreign).unlink()


def test_a_folder_that_cannot_be_made_and_an_unknown_form_are_refused(folders: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "choose another --out" in refusal(build, folders, tmp_path / "file" / "out", RECIPE)
    with pytest.raises(FsbenchError, match="form 'zip': expected one of recipe, png, parquet"):
        build(folders, tmp_path / "out", RECIPE, form="zip")  # type: ignore[arg-type]


def test_files_of_another_stopped_build_are_removed(forms: Forms, folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(folders, out, recipe_of_classes(KEYS, seed=1), form="png")
    (out / out_folder.MARKER).write_text("another build\n")
    (out / "images" / ".000003.png.123.tmp").write_bytes(b"half")
    (out / ".77.tmp").write_bytes(b"")
    build(folders, out, RECIPE, form="parquet")
    assert contents(out) == contents(forms["parquet"][0])


def test_a_recipe_that_started_again_is_built_and_read(folders: Path, tmp_path: Path) -> None:
    """A sample of each of five classes, with the first seed that needs a second attempt."""
    recipes = (make_recipe([f"{key}/1" for key in KEYS], seed) for seed in range(99))
    recipe = next(recipe for recipe in recipes if "+" in recipe.seed_used)
    built = build(folders, tmp_path / "out", recipe)
    assert read_dataset(tmp_path / "out") == built
    assert f'"seed_used": "{recipe.seed}+' in (tmp_path / "out" / "mosaic4.json").read_text(encoding="utf-8")


def test_concurrent_builds_into_one_folder_leave_one_complete_result(
    forms: Forms, folders: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    running = [
        subprocess.Popen(command(folders, str(out), form), stderr=subprocess.PIPE, text=True) for form in FORMS[1:]
    ]
    errors = [process.communicate()[1] for process in running]
    assert contents(out) in [contents(forms[form][0]) for form in FORMS[1:]]
    for process, error in zip(running, errors, strict=True):
        assert process.returncode == 0 or f"{out}: another run is at work here" in error, error


def test_a_build_refuses_a_folder_in_use(folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with building(out):
        done = subprocess.run(command(folders, str(out), "recipe"), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{out}: another run is at work here: wait for it, or choose another --out" in done.stderr
    assert contents(out) == {}
