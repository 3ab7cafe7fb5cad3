"""Archives fetched by hand: the official ones by their checksum, FSS-1000 by its content."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from fsbench.benchmarks.fss import fss1000
from fsbench.download import fss, unpack
from fsbench.download.place import WORK
from tests import command
from tests.fsbench.download.download_server import EXPECTED, FILES, noise, serving, source_of, zip_bytes
from tests.fsbench.download.test_download import run, tree
from tests.hostile_files import within
from tests.mosaic4.drawn_folders import draw_folders
from tests.refusals import refusal

PHOTOGRAPHS = {f"{key}/{n}.{kind}": noise(900, f"{key}{n}{kind}") for key in ("abacus", "abe's_flyingfish")
               for n in range(1, 11) for kind in ("jpg", "png")}  # fmt: skip
RELEASE = {f"fewshot_data/{name}": data for name, data in PHOTOGRAPHS.items()}


def saved(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def unpacked(archive: Path, root: Path) -> list[str]:
    lines: list[str] = []
    fss.unpack_release(archive, root, lines.append)
    assert not any("\n" in line for line in lines)
    return lines


def release(tmp_path: Path, files: dict[str, bytes] = RELEASE) -> Path:
    return saved(tmp_path / "got", "fewshot_data.zip", zip_bytes(files))


def test_archives_are_used_under_any_name_with_no_connection(tmp_path: Path) -> None:
    first = saved(tmp_path / "got", "benchmark (1).tar.gz", FILES["first.tgz"])
    second = saved(tmp_path / "got", "no suffix", FILES["second.zip"])
    with serving({}) as nothing:
        lines = run(source_of(nothing), tmp_path / "root", second, first)
        assert nothing.asked == []
    assert f"  first.tgz: {first}, checksum right" in lines
    assert tree(tmp_path / "root") == EXPECTED
    assert [path.name for path in (tmp_path / "root" / WORK).iterdir()] == ["lock"]
    assert first.read_bytes() == FILES["first.tgz"]


def test_missing_archives_are_fetched(tmp_path: Path) -> None:
    first = saved(tmp_path / "got", "first.tgz", FILES["first.tgz"])
    with serving(FILES) as server:
        lines = run(source_of(server), tmp_path / "root", first)
        assert [path for path, _ in server.asked] == ["/second.zip"]
    assert lines[3].endswith(str(first))
    assert tree(tmp_path / "root") == EXPECTED


def test_archives_that_are_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    root, data = tmp_path / "root", FILES["second.zip"]
    first, copy = (saved(tmp_path / "got", name, FILES["first.tgz"]) for name in ("first.tgz", "copy.tgz"))
    second = saved(tmp_path / "got", "second.zip", data)
    wrong = saved(tmp_path / "got", "wrong.zip", data[:100] + bytes([data[100] ^ 1]) + data[101:])
    cut = saved(tmp_path / "got", "cut.tgz", FILES["first.tgz"][:-1])
    sizes = [len(FILES[name]) for name in ("first.tgz", "second.zip")]
    with serving(FILES) as server:
        source = source_of(server)
        assert refusal(run, source, root, cut) == (
            f"{cut}: has {sizes[0] - 1} bytes, expected first.tgz ({sizes[0]} bytes) or second.zip "
            f"({sizes[1]} bytes): it is cut short or another file; fetch it again"
        )
        assert refusal(run, source, root, first, copy).startswith(f"{copy}: is first.tgz, and so is {first}")
        message = refusal(run, source, root, first, second, mirror=server.url)
        assert "every archive is given with --archive" in message
        assert not root.exists()
        message = refusal(run, source, root, wrong)
        assert message.startswith(f"{wrong}: is not the official second.zip: its SHA-256 is ")
        assert message.endswith("fetch it again")
        assert server.asked == []
    assert tree(root) == {}


@pytest.mark.parametrize("what", ["voc", "fss-1000"])
def test_a_pipe_a_folder_or_no_file_is_one_line_on_the_command_line(tmp_path: Path, what: str) -> None:
    path = tmp_path / "archive"
    for put in (lambda: None, path.mkdir, lambda: (path.rmdir(), os.mkfifo(path))):
        put()
        with within(30):
            done = command.run("download", what, "--archive", path, "--root", tmp_path / "root")
        assert done.code == 2
        assert done.err.startswith(f"fsbench: {path}: ")
        assert done.err.count("\n") == 1
        assert not (tmp_path / "root").exists()


def test_fss1000_on_the_command_line(tmp_path: Path) -> None:
    archive, root = release(tmp_path), tmp_path / "my data"
    arguments = ["-m", "fsbench", "download", "fss-1000", "--archive", str(archive), "--root", str(root)]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    (line,) = [line for line in done.stdout.splitlines() if digest in line]
    assert f"a public project recorded {fss.RECORDED_SHA256}: taken all the same" in line
    assert done.stdout.splitlines()[-1] == f"next: fsbench build fss-1000 --root '{root}/fewshot_data'"
    assert tree(root) == RELEASE


def test_fss1000_without_an_archive_prints_the_steps(tmp_path: Path) -> None:
    root = tmp_path / "my data"
    done = command.run("download", "fss1000", "--root", root)
    assert (done.code, done.err.startswith("fsbench: fss1000: nothing was downloaded")) == (2, True)
    assert "https://github.com/HKUSTCV/FSS-1000" in done.out
    assert f"fsbench download fss1000 --archive fewshot_data.zip --root '{root}'" in done.out
    assert done.out.rstrip().endswith(f"fsbench build fss-1000 --root '{root}'/fewshot_data")
    assert not root.exists()


def test_fss1000_has_no_mirror_and_one_archive(tmp_path: Path) -> None:
    given = ["download", "fss-1000", "--root", tmp_path / "root", "--archive", release(tmp_path)]
    assert "--mirror http://x: fss-1000 cannot be fetched" in command.run(*given, "--mirror", "http://x").err
    assert "is one archive" in command.run(*given, *given[-2:]).err


def test_fss1000_with_the_recorded_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = release(tmp_path)
    monkeypatch.setattr(fss, "RECORDED_SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    lines = unpacked(archive, tmp_path / "root")
    assert f"  {archive}: SHA-256 {fss.RECORDED_SHA256}, as a public project recorded it (not checked by us)" in lines


@pytest.mark.parametrize("above", ["", "fewshot_data/", "FSS-1000/data/"])
def test_fss1000_gets_its_name_however_deep_it_is(tmp_path: Path, above: str) -> None:
    files = {f"{above}{name}": data for name, data in PHOTOGRAPHS.items()}
    extra = {f"__MACOSX/{above}{name}": b"resource fork" for name in PHOTOGRAPHS} if above else {}
    half = tmp_path / "root" / WORK / "fewshot_data.zip.unpacking" / "fewshot_data" / "abacus" / "half.jpg"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"left by a killed run")
    lines = unpacked(release(tmp_path, extra | files), tmp_path / "root")
    assert tree(tmp_path / "root") == RELEASE
    assert f"  {tmp_path}/root/fewshot_data: unpacked, 2 of the 1000 class folders" in lines
    assert [path.name for path in (tmp_path / "root" / WORK).iterdir()] == ["lock"]


def test_the_next_command_of_fss1000_builds(tmp_path: Path) -> None:
    draw_folders(tmp_path / "made", ("abe's_flyingfish",))
    files = {f"fewshot_data/fewshot_data/{path.relative_to(tmp_path / 'made')}": path.read_bytes()
             for path in (tmp_path / "made").rglob("*.*")}  # fmt: skip
    lines = unpacked(release(tmp_path, files), tmp_path / "root")
    following = re.fullmatch(r"next: fsbench build fss-1000 --root (.+)", lines[-1])
    assert following is not None
    built = fss1000.build(Path(*shlex.split(following[1])), tmp_path / "built", partial=True)
    assert sum(sample.present for sample in built.samples.values()) == 10


def test_an_existing_fewshot_data_is_left_alone(tmp_path: Path) -> None:
    archive, folder = release(tmp_path), tmp_path / "root" / "fewshot_data"
    folder.mkdir(parents=True)
    (folder / "mine.txt").write_bytes(b"mine")
    message = refusal(unpacked, archive, tmp_path / "root")
    assert message.startswith(f"{folder}: is there, but holds no class folder")
    (folder / "abacus").mkdir()
    lines = unpacked(archive, tmp_path / "root")
    assert lines[1:] == [
        f"  {folder}: there already, taken as it is",
        f"next: fsbench build fss-1000 --root {folder}",
    ]
    assert tree(tmp_path / "root") == {"fewshot_data/mine.txt": b"mine"}


BAD = {
    "leads out": (zip_bytes(RELEASE | {"fewshot_data/abacus/../../../evil": b"evil"}), "could lead outside its folder"),
    "no classes": (zip_bytes({"photographs/1.jpg": b"one"}), "holds no class folder of FSS-1000"),
    "empty": (zip_bytes({}), "holds no class folder of FSS-1000"),
    "no zip": (b"<html>too many requests</html>", "is broken ("),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_archive_of_fss1000_leaves_nothing(tmp_path: Path, name: str) -> None:
    data, expected = BAD[name]
    archive = saved(tmp_path / "got", "fewshot_data.zip", data)
    message = refusal(unpacked, archive, tmp_path / "root")
    assert message.startswith(f"{archive}: ")
    assert expected in message
    assert tree(tmp_path / "root") == {}
    assert not list(tmp_path.rglob("*evil*"))
    assert archive.exists()


@pytest.mark.parametrize("limit", [(fss, "MOST_BYTES"), (unpack, "MOST_READ")])
def test_fss1000_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: Any) -> None:
    archive = release(tmp_path)
    monkeypatch.setattr(*limit, 1000)
    assert "unpacks to more than" in refusal(unpacked, archive, tmp_path / "root")
    assert tree(tmp_path / "root") == {}


def test_fss1000_on_a_small_disk_and_two_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = release(tmp_path)
    (tmp_path / "root" / WORK).mkdir(parents=True)
    with FileLock(tmp_path / "root" / WORK / "lock"):
        assert "another run is at work here" in refusal(unpacked, archive, tmp_path / "root")
    usage = namedtuple("usage", ["total", "used", "free"])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 0, 10))
    assert "10 bytes are free" in refusal(unpacked, archive, tmp_path / "root")
