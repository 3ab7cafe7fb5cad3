"""Archives that a person fetched: the official ones by their checksum, FSS-1000 by what it holds."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from fsbench.benchmarks.fss import fss1000
from fsbench.download import fss, unpack
from fsbench.download.place import WORK
from fsbench.errors import FsbenchError
from tests import ROOT
from tests.fsbench.benchmarks.fss.test_fss1000 import write_class
from tests.fsbench.download.download_server import QUICK, Server, noise, packed, serving, zip_bytes
from tests.fsbench.download.test_download import EXPECTED, FILES, download, source_of, tree

PHOTOGRAPHS = {f"{key}/{n}.{kind}": noise(900, f"{key}{n}{kind}") for key in ("abacus", "abe's_flyingfish")
               for n in range(1, 11) for kind in ("jpg", "png")}  # fmt: skip
RELEASE = {f"fewshot_data/{name}": data for name, data in PHOTOGRAPHS.items()}


def given(server: Server, root: Path, *files: Path, mirror: str | None = None) -> list[str]:
    said: list[str] = []
    download(source_of(server), root, say=said.append, by_hand=files, mirror=mirror, patience=QUICK)
    return said


def saved(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(FsbenchError) as raised:
        call()
    assert raised.value.exit_code == 2
    assert "\n" not in str(raised.value)
    return str(raised.value)


def unpacked(archive: Path, root: Path) -> list[str]:
    said: list[str] = []
    fss.unpack_release(archive, root, said.append)
    assert not any("\n" in line for line in said)
    return said


def release(tmp_path: Path, files: dict[str, bytes] = RELEASE) -> Path:
    return saved(tmp_path / "got", "fewshot_data.zip", zip_bytes(files))


def test_archives_by_hand_are_used_under_any_name_with_no_connection(tmp_path: Path) -> None:
    first = saved(tmp_path / "got", "benchmark (1).tar.gz", FILES["first.tgz"])
    second = saved(tmp_path / "got", "no suffix", FILES["second.zip"])
    with serving({}) as nothing:
        said = given(nothing, tmp_path / "root", second, first)
        assert nothing.asked == []
    assert f"  first.tgz: {first}, checksum right" in said
    assert tree(tmp_path / "root") == EXPECTED
    assert [path.name for path in (tmp_path / "root" / WORK).iterdir()] == ["lock"]
    assert first.read_bytes() == FILES["first.tgz"]


def test_what_is_not_given_is_fetched(tmp_path: Path) -> None:
    first = saved(tmp_path / "got", "first.tgz", FILES["first.tgz"])
    with serving(FILES) as server:
        said = given(server, tmp_path / "root", first)
        assert [path for path, _ in server.asked] == ["/second.zip"]
    assert said[3].endswith(str(first))
    assert tree(tmp_path / "root") == EXPECTED


def test_an_archive_with_another_digest_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    data = FILES["second.zip"]
    wrong = saved(tmp_path / "got", "second.zip", data[:100] + bytes([data[100] ^ 1]) + data[101:])
    with serving(FILES) as server:
        said = refusal(lambda: given(server, tmp_path / "root", wrong))
        assert server.asked == []
    assert said.startswith(f"{wrong}: is not the official second.zip: its SHA-256 is ")
    assert said.endswith("fetch it again")
    assert tree(tmp_path / "root") == {}
    assert wrong.exists()


def test_an_archive_of_another_size_is_no_archive_of_the_source(tmp_path: Path) -> None:
    cut = saved(tmp_path / "got", "first.tgz", FILES["first.tgz"][:-1])
    sizes = {name: len(data) for name, data in FILES.items()}
    with serving(FILES) as server:
        assert refusal(lambda: given(server, tmp_path / "root", cut)) == (
            f"{cut}: has {sizes['first.tgz'] - 1} bytes, expected first.tgz ({sizes['first.tgz']} bytes) or second.zip "
            f"({sizes['second.zip']} bytes): it is cut short or another file; fetch it again"
        )
    assert not (tmp_path / "root").exists()


def test_an_archive_given_twice_and_a_mirror_with_nothing_to_fetch(tmp_path: Path) -> None:
    first = saved(tmp_path / "got", "first.tgz", FILES["first.tgz"])
    copy = saved(tmp_path / "got", "copy.tgz", FILES["first.tgz"])
    second = saved(tmp_path / "got", "second.zip", FILES["second.zip"])
    with serving(FILES) as server:
        assert refusal(lambda: given(server, tmp_path / "root", first, copy)).startswith(
            f"{copy}: is first.tgz, and so is"
        )
        said = refusal(lambda: given(server, tmp_path / "root", first, second, mirror=server.url))
        assert "every archive is given with --archive" in said
        assert server.asked == []


@pytest.mark.parametrize("kind", ["pipe", "folder", "nothing"])
@pytest.mark.parametrize("what", ["voc", "fss-1000"])
def test_what_is_no_file_is_one_line_on_the_command_line(tmp_path: Path, kind: str, what: str) -> None:
    path = tmp_path / "archive"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    command = [
        sys.executable,
        "-m",
        "fsbench",
        "download",
        what,
        "--archive",
        str(path),
        "--root",
        str(tmp_path / "root"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith(f"fsbench: {path}: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "root").exists()


def test_fss1000_on_the_command_line(tmp_path: Path) -> None:
    archive, root = release(tmp_path), tmp_path / "my data"
    command = [sys.executable, "-m", "fsbench", "download", "fss-1000", "--archive", str(archive), "--root", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    said = [line for line in done.stdout.splitlines() if digest in line]
    assert len(said) == 1
    assert f"a public project recorded {fss.RECORDED_SHA256}: taken all the same" in said[0]
    assert done.stdout.splitlines()[-1] == f"next: fsbench build fss-1000 --root '{root}/fewshot_data'"
    assert tree(root) == RELEASE


def test_fss1000_with_the_recorded_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = release(tmp_path)
    monkeypatch.setattr(fss, "RECORDED_SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    said = unpacked(archive, tmp_path / "root")
    assert f"  {archive}: SHA-256 {fss.RECORDED_SHA256}, as a public project recorded it (not checked by us)" in said


@pytest.mark.parametrize("above", ["", "fewshot_data/", "fewshot_data/fewshot_data/", "FSS-1000/data/"])
def test_fss1000_ends_in_one_place_however_deep_it_lies(tmp_path: Path, above: str) -> None:
    files = {f"{above}{name}": data for name, data in PHOTOGRAPHS.items()}
    extra = {f"__MACOSX/{above}{name}": b"resource fork" for name in PHOTOGRAPHS} if above else {}
    said = unpacked(release(tmp_path, extra | files), tmp_path / "root")
    assert tree(tmp_path / "root") == RELEASE
    assert f"  {tmp_path}/root/fewshot_data: unpacked, 2 of the 1000 class folders" in said


def test_the_next_command_of_fss1000_builds(tmp_path: Path) -> None:
    write_class(tmp_path / "made" / "abe's_flyingfish", 0)
    files = {f"fewshot_data/fewshot_data/{path.relative_to(tmp_path / 'made')}": path.read_bytes()
             for path in (tmp_path / "made").rglob("*.*")}  # fmt: skip
    said = unpacked(release(tmp_path, files), tmp_path / "root")
    following = re.fullmatch(r"next: fsbench build fss-1000 --root (.+)", said[-1])
    assert following is not None
    built = fss1000.build(Path(*shlex.split(following[1])), tmp_path / "built", partial=True)
    assert sum(sample.present for sample in built.samples.values()) == 10


def test_fss1000_that_is_there_is_not_unpacked_again(tmp_path: Path) -> None:
    archive = release(tmp_path)
    unpacked(archive, tmp_path / "root")
    (tmp_path / "root" / "fewshot_data" / "abacus" / "mine.txt").write_bytes(b"mine")
    said = unpacked(archive, tmp_path / "root")
    assert said[1] == f"  {tmp_path}/root/fewshot_data: there already, taken as it is"
    assert said[-1] == f"next: fsbench build fss-1000 --root {tmp_path}/root/fewshot_data"
    assert tree(tmp_path / "root") == RELEASE | {"fewshot_data/abacus/mine.txt": b"mine"}


def test_a_fewshot_data_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "root" / "fewshot_data").mkdir(parents=True)
    (tmp_path / "root" / "fewshot_data" / "mine.txt").write_text("mine")
    said = refusal(lambda: unpacked(release(tmp_path), tmp_path / "root"))
    assert said.startswith(f"{tmp_path}/root/fewshot_data: is there, but holds no class folder")
    assert tree(tmp_path / "root") == {"fewshot_data/mine.txt": b"mine"}


HOSTILE = {
    "leads out": ({"fewshot_data/abacus/../../../evil": b"evil"}, "could lead outside its folder"),
    "absolute": ({"/evil": b"evil"}, "could lead outside its folder"),
    "backslash": ({"fewshot_data\\..\\evil": b"evil"}, "could lead outside its folder"),
    "no classes": ({"photographs/1.jpg": b"one"}, "holds no class folder of FSS-1000"),
    "empty": ({}, "holds no class folder of FSS-1000"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_fss1000_with_hostile_or_other_content_leaves_nothing(tmp_path: Path, name: str) -> None:
    files, expected = HOSTILE[name]
    archive = release(tmp_path, (RELEASE | files) if "lead" in expected else files)
    said = refusal(lambda: unpacked(archive, tmp_path / "root"))
    assert said.startswith(f"{archive}: holds ")
    assert expected in said
    assert tree(tmp_path / "root") == {}
    assert not list(tmp_path.rglob("*evil*"))
    assert archive.exists()


def test_fss1000_damaged(tmp_path: Path) -> None:
    whole = zip_bytes(RELEASE)
    at = whole.index(PHOTOGRAPHS["abacus/5.jpg"][:40]) + 20
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    for data in (flipped, whole[: len(whole) // 2], whole[len(whole) // 2 :], b"<html>too many requests</html>", b""):
        archive = saved(tmp_path / "got", "fewshot_data.zip", data)
        said = refusal(lambda: unpacked(archive, tmp_path / "root"))  # noqa: B023 - called at once
        assert said.startswith(f"{archive}: is broken (")
        assert said.endswith("fetch it again")
        assert tree(tmp_path / "root") == {}


def test_fss1000_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = release(tmp_path)
    monkeypatch.setattr(fss, "MOST_BYTES", 10_000)
    assert "unpacks to more than the 10000 bytes" in refusal(lambda: unpacked(archive, tmp_path / "root"))
    assert tree(tmp_path / "root") == {}


def test_a_list_of_entries_that_is_too_long_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = release(tmp_path)
    monkeypatch.setattr(unpack, "MOST_READ", 1000)
    assert "unpacks to more than" in refusal(lambda: unpacked(archive, tmp_path / "root"))


def test_fss1000_on_a_small_disk_and_two_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = release(tmp_path)
    (tmp_path / "root" / WORK).mkdir(parents=True)
    with FileLock(tmp_path / "root" / WORK / "lock"):
        assert "another download works here" in refusal(lambda: unpacked(archive, tmp_path / "root"))
    usage = namedtuple("usage", ["total", "used", "free"])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 0, 10))
    assert "10 bytes are free" in refusal(lambda: unpacked(archive, tmp_path / "root"))


SCRIPT = """
import sys
from pathlib import Path
from fsbench.download.fss import unpack_release
unpack_release(Path(sys.argv[1]), Path(sys.argv[2]), print)
"""


@pytest.mark.parametrize("moment", [f"{WORK}/fewshot_data.zip.unpacking/fewshot_data/abacus/3.jpg", "fewshot_data"])
def test_a_killed_unpacking_ends_with_the_same_tree(tmp_path: Path, moment: str) -> None:
    archive = saved(tmp_path / "got", "fewshot_data.zip", packed(".zip", RELEASE))
    root = tmp_path / "root"
    home = ROOT
    command = [sys.executable, "-c", SCRIPT, str(archive), str(root)]
    process = subprocess.Popen(command, cwd=home, env={**os.environ, "PYTHONPATH": str(home)})
    deadline = time.monotonic() + 60
    while not (root / moment).exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.0005)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    assert tree(root) in ({}, RELEASE)
    unpacked(archive, root)
    assert tree(root) == RELEASE
    assert [path.name for path in (root / WORK).iterdir()] == ["lock"]


def test_a_half_unpacked_folder_of_a_killed_run_is_begun_anew(tmp_path: Path) -> None:
    left = tmp_path / "root" / WORK / "fewshot_data.zip.unpacking" / "fewshot_data" / "abacus"
    left.mkdir(parents=True)
    (left / "half.jpg").write_bytes(b"half")
    unpacked(release(tmp_path), tmp_path / "root")
    assert tree(tmp_path / "root") == RELEASE


def test_fss1000_has_no_mirror_and_one_archive(tmp_path: Path) -> None:
    from fsbench.cli.download import What
    from fsbench.cli.download import download as command

    archive = release(tmp_path)
    assert "--mirror http://x: fss-1000 cannot be fetched" in refusal(
        lambda: command(What.FSS_1000, tmp_path / "root", mirror="http://x", archive=[archive])
    )
    assert "is one archive" in refusal(lambda: command(What.FSS1000, tmp_path / "root", archive=[archive, archive]))
