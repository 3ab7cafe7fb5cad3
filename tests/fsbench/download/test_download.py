"""A whole download: terms first, archives verified, folders whole under their final names, and what comes next."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from filelock import FileLock

from fsbench.benchmarks.pascal import lists as pascal_lists
from fsbench.benchmarks.pascal import pascal5i
from fsbench.cli.download import What
from fsbench.cli.download import download as command
from fsbench.download.place import WORK
from fsbench.download.run import download
from fsbench.download.sources import Source, sources
from fsbench.errors import FsbenchError
from tests import ROOT
from tests.fsbench.benchmarks.synthetic_voc import write_sbd, write_voc
from tests.fsbench.download.download_server import QUICK, How, Server, archive_of, noise, packed, serving

FIRST = {"one/a.txt": b"first", "one/deep/b.bin": noise(60_000, "b"), "aside": b"left out"}
SECOND = {f"two/{n}.bin": noise(9_000, str(n)) for n in range(9)}
FILES = {"first.tgz": packed("first.tgz", FIRST), "second.zip": packed("second.zip", SECOND)}
EXPECTED = {name: data for name, data in (FIRST | SECOND).items() if name != "aside"}


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(FILES) as running:
        yield running


def source_of(server: Server, **changes: object) -> Source:
    archives = (
        archive_of(server, "first.tgz", FILES["first.tgz"], folder="one", holds=("a.txt",)),
        archive_of(server, "second.zip", FILES["second.zip"], folder="two"),
    )
    made = Source("Two things", "https://things.example", ("be kind",), archives, ("next: fsbench build {root}/one",))
    return replace(made, **changes)  # type: ignore[arg-type]


def run(source: Source, root: Path, mirror: str | None = None) -> list[str]:
    said: list[str] = []
    download(source, root, say=said.append, mirror=mirror, patience=QUICK)
    return said


def tree(root: Path) -> dict[str, bytes]:
    """All files but the working ones."""
    files = [path for path in root.rglob("*") if path.is_file() and WORK not in path.parts]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_terms_first_and_the_next_command_last(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []
    download(source_of(server), tmp_path, say=lambda line: seen.append((line, len(server.asked))), patience=QUICK)
    said = [line for line, _ in seen]
    assert said[:3] == ["Two things", "  terms (https://things.example):", "    be kind"]
    assert said[3].endswith(f"{server.url}/first.tgz")
    assert said[5].startswith("  archives and unpacked files together take up to 33.7 MB")
    assert all(asked == 0 for _, asked in seen[:6])
    assert said[-1] == f"next: fsbench build {tmp_path}/one"
    assert tree(tmp_path) == EXPECTED
    assert sorted(path.name for path in (tmp_path / WORK).iterdir()) == ["first.tgz", "lock", "second.zip"]


def test_what_is_in_place_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    run(source_of(server), tmp_path)
    assert len(server.asked) == 2
    said = run(source_of(server), tmp_path)
    assert len(server.asked) == 2
    assert f"  {tmp_path}/one: there already, taken as it is" in said
    shutil.rmtree(tmp_path / "two")
    assert "  second.zip: there already, checksum right" in run(source_of(server), tmp_path)
    assert len(server.asked) == 2
    assert tree(tmp_path) == EXPECTED


def test_an_archive_put_there_by_hand_is_verified_and_used(server: Server, tmp_path: Path) -> None:
    (tmp_path / WORK).mkdir()
    for name, data in FILES.items():
        (tmp_path / WORK / name).write_bytes(data)
    run(source_of(server), tmp_path)
    assert server.asked == []
    assert tree(tmp_path) == EXPECTED


def test_a_mirror_has_the_same_names(server: Server, tmp_path: Path) -> None:
    with serving({f"some/where/{name}": data for name, data in FILES.items()}) as mirror:
        said = run(source_of(server), tmp_path, mirror=f"{mirror.url}/some/where/")
        assert [path for path, _ in mirror.asked] == ["/some/where/first.tgz", "/some/where/second.zip"]
        assert said[3].endswith(f"{mirror.url}/some/where/first.tgz")
    assert server.asked == []
    assert tree(tmp_path) == EXPECTED


@pytest.mark.parametrize(
    "mirror",
    [
        "ftp://host/x",
        "file:///x",
        "host/x",
        "",
        "http://",
        "http://host/x?y=1",
        "http://host/#x",
        "http://me:secret@host/",
        "http://host:port/",
        "http://[::1/",
        "http://host/a b",
        "http://host/\n",
        "http://höst/",
    ],
)
def test_mirrors_that_are_none(server: Server, tmp_path: Path, mirror: str) -> None:
    with pytest.raises(FsbenchError, match=r"^--mirror .*: expected the address of a folder") as raised:
        run(source_of(server), tmp_path, mirror=mirror)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_corrupted_archive_leaves_nothing_under_a_final_name(server: Server, tmp_path: Path) -> None:
    whole = server.files["/second.zip"]
    server.files["/second.zip"] = whole[:100] + bytes([whole[100] ^ 1]) + whole[101:]
    with pytest.raises(FsbenchError, match=r"^second\.zip: not downloaded; tried .* \(what it sent is not"):
        run(source_of(server), tmp_path)
    assert tree(tmp_path) == {name: data for name, data in EXPECTED.items() if name.startswith("one/")}
    assert not (tmp_path / "two").exists()
    server.files["/second.zip"] = whole
    run(source_of(server), tmp_path)
    assert tree(tmp_path) == EXPECTED


@pytest.mark.parametrize("name", ["bad.tar", "bad.tgz", "bad.zip"])
def test_an_archive_with_a_name_that_leads_out(tmp_path: Path, name: str) -> None:
    data = packed(name, {"one/a.txt": b"first", "../evil": b"evil", "one/../../../evil": b"evil"})
    with serving({name: data}) as server:
        bad = source_of(server, archives=(archive_of(server, name, data, folder="one"),))
        with pytest.raises(FsbenchError, match="could lead outside its folder"):
            run(bad, tmp_path / "root")
    assert tree(tmp_path) == {}
    assert not list(tmp_path.rglob("evil"))


def test_a_right_checksum_of_the_wrong_content(server: Server, tmp_path: Path) -> None:
    wrong = archive_of(server, "first.tgz", FILES["first.tgz"], folder="one", holds=("a.txt", "missing.txt"))
    with pytest.raises(FsbenchError, match=r"first\.tgz: holds no one/missing\.txt: it is not the official archive"):
        run(source_of(server, archives=(wrong,)), tmp_path)
    assert tree(tmp_path) == {}
    nowhere = archive_of(server, "first.tgz", FILES["first.tgz"], folder="three")
    with pytest.raises(FsbenchError, match="holds no three/"):
        run(source_of(server, archives=(nowhere,)), tmp_path)


def test_a_folder_with_something_else_is_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "mine.txt").write_text("mine")
    with pytest.raises(FsbenchError, match=r"one: is there, but holds no a\.txt, so it does not come from first\.tgz"):
        run(source_of(server), tmp_path)
    assert tree(tmp_path) == {"one/mine.txt": b"mine"}
    assert server.asked == []


def test_a_small_disk(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_of(server)
    needed = sum(archive.size + archive.unpacked for archive in source.archives)
    usage = namedtuple("usage", ["total", "used", "free"])
    free = needed - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 0, free))
    with pytest.raises(FsbenchError, match=r"33\.7 MB are free, up to 33\.7 MB are needed: free some space"):
        run(source, tmp_path)
    assert server.asked == []
    (tmp_path / WORK / "first.tgz.part").write_bytes(FILES["first.tgz"][:1])
    run(source, tmp_path)  # one byte is there: just enough
    assert tree(tmp_path) == EXPECTED


def test_a_root_that_cannot_be(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FsbenchError, match=r"file.*cannot be written or read \(Not a directory\).*--root"):
        run(source_of(server), tmp_path / "file")


def test_two_at_once(server: Server, tmp_path: Path) -> None:
    (tmp_path / WORK).mkdir()
    with FileLock(tmp_path / WORK / "lock"), pytest.raises(FsbenchError, match="another download works here"):
        run(source_of(server), tmp_path)
    run(source_of(server), tmp_path)
    assert tree(tmp_path) == EXPECTED


SCRIPT = """
import sys
from pathlib import Path
from fsbench.cli.download import What
from fsbench.cli.download import download as command
from fsbench.download.run import download
from tests.fsbench.download.download_server import Server
from tests.fsbench.download.test_download import source_of
download(source_of(Server(sys.argv[1])), Path(sys.argv[2]), say=print)
"""


def start(server: Server, root: Path) -> subprocess.Popen[bytes]:
    home = ROOT
    started = [sys.executable, "-c", SCRIPT, server.url, str(root)]
    return subprocess.Popen(started, cwd=home, env={**os.environ, "PYTHONPATH": str(home)})


@pytest.mark.parametrize("moment", [f"{WORK}/first.tgz.part", f"{WORK}/first.tgz", "one", "two"])
def test_killed_runs_end_with_the_same_tree(server: Server, tmp_path: Path, moment: str) -> None:
    server.always = How(pause=0.02)
    process = start(server, tmp_path)
    deadline = time.monotonic() + 60
    while not (tmp_path / moment).exists() and time.monotonic() < deadline:
        if process.poll() is not None:
            break
        time.sleep(0.0005)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    there = tree(tmp_path)
    for folder in ("one", "two"):
        whole = {name: data for name, data in EXPECTED.items() if name.startswith(folder)}
        assert {name: data for name, data in there.items() if name.startswith(folder)} in ({}, whole)
    server.always = How()
    run(source_of(server), tmp_path)
    assert tree(tmp_path) == EXPECTED
    assert sorted(path.name for path in (tmp_path / WORK).iterdir()) == ["first.tgz", "lock", "second.zip"]


def test_a_run_killed_while_unpacking_begins_the_folder_anew(server: Server, tmp_path: Path) -> None:
    left = tmp_path / WORK / "first.tgz.unpacking" / "one"
    left.mkdir(parents=True)
    (left / "half.bin").write_bytes(b"half")
    run(source_of(server), tmp_path)
    assert tree(tmp_path) == EXPECTED
    assert not left.exists()


def test_fss1000_says_what_a_person_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "my data"
    with pytest.raises(FsbenchError, match=r"^fss1000: nothing was downloaded") as raised:
        command(What.FSS1000, root)
    assert raised.value.exit_code == 2
    said = capsys.readouterr().out
    assert "https://github.com/HKUSTCV/FSS-1000" in said
    assert f"fsbench download fss1000 --archive fewshot_data.zip --root '{root}'" in said
    assert said.rstrip().endswith(f"fsbench build fss-1000 --root '{root}'/fewshot_data")
    assert not root.exists()


@pytest.mark.parametrize("what", ["voc", "sbd", "coco2014"])
def test_the_command_shows_terms_and_sizes_before_it_fails(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving({}) as nothing:
        with pytest.raises(FsbenchError, match="answers 404 Not Found"):
            command(What(what), tmp_path, mirror=nothing.url)
        assert len(nothing.asked) == 1
    said = capsys.readouterr().out
    assert said.startswith(sources()[what].title)
    assert "https://www.flickr.com/help/terms" in said
    assert all(f"{nothing.url}/{archive.name}" in said for archive in sources()[what].archives)
    assert tree(tmp_path) == {}


def zipped(folder: Path, top: str) -> dict[str, bytes]:
    return {f"{top}/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_voc_and_sbd_end_as_build_and_torchvision_take_them(tmp_path: Path) -> None:
    from torchvision.datasets import SBDataset, VOCSegmentation  # type: ignore[import-untyped]

    val = [sample for sample, _ in pascal_lists.val("0")][:2]
    train = [sample for sample in pascal_lists.samples("train") if sample not in pascal_lists.official()][:2]
    voc = write_voc(tmp_path / "made", [*val, *train], masks="SegmentationClass")
    sbd = write_sbd(tmp_path / "made", train)
    lists = {"VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt": "".join(f"{name}\n" for name in val).encode()}
    splits = {f"benchmark_RELEASE/dataset/{s}.txt": "".join(f"{n}\n" for n in train).encode() for s in ("train", "val")}
    photographs = {
        f"benchmark_RELEASE/dataset/img/{name}.jpg": (voc / f"VOC2012/JPEGImages/{name}.jpg").read_bytes()
        for name in train
    }
    real = {name: sources()[name] for name in ("voc", "sbd")}
    served = {
        "voc": packed(".tar", zipped(voc, "VOCdevkit") | lists),
        "sbd": packed(".tgz", zipped(sbd, "benchmark_RELEASE") | splits | photographs),
    }
    root = tmp_path / "root"
    with serving({real[name].archives[0].name: data for name, data in served.items()}) as server:
        for name, data in served.items():
            digests = {"sha256": hashlib.sha256(data).hexdigest(), "md5": hashlib.md5(data).hexdigest()}
            archive = replace(real[name].archives[0], size=len(data), **digests)
            said = run(replace(real[name], archives=(archive,)), root, mirror=server.url)
    following = re.fullmatch(r"next: fsbench build pascal-5i --root (\S+) --sbd (\S+)", said[-1])
    assert following is not None
    made = pascal5i.build(Path(following[1]), tmp_path / "built", sbd=Path(following[2]), partial=True)
    assert {sample.id for sample in made.samples.values() if sample.present} == {*val, *train}
    assert len(VOCSegmentation(root, image_set="val")) == 2
    assert len(SBDataset(str(root / "benchmark_RELEASE" / "dataset"), mode="segmentation")) == 2


def test_the_files_are_those_that_torchvision_knows() -> None:
    from torchvision.datasets import SBDataset
    from torchvision.datasets.voc import DATASET_YEAR_DICT  # type: ignore[import-untyped]

    voc, sbd = sources()["voc"].archives[0], sources()["sbd"].archives[0]
    known = DATASET_YEAR_DICT["2012"]
    assert (voc.name, voc.md5) == (known["filename"], known["md5"])
    assert Path(voc.folder) == Path(known["base_dir"])
    assert (sbd.name, sbd.md5) == (SBDataset.filename, SBDataset.md5)


def test_the_addresses_do_not_come_from_the_installed_torchvision() -> None:
    code = "import sys, fsbench.download.run, fsbench.download.fss; print('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"False"
    hosts = [urlsplit(url).netloc for url in sources()["voc"].archives[0].urls]
    assert hosts[0] == "thor.robots.ox.ac.uk"
    assert hosts[-1] == "host.robots.ox.ac.uk"


def test_every_entry_of_the_table_is_whole() -> None:
    archives = [archive for source in sources().values() for archive in source.archives]
    assert [archive.name for archive in archives] == [
        "VOCtrainval_11-May-2012.tar",
        "benchmark.tgz",
        "annotations_trainval2014.zip",
        "train2014.zip",
        "val2014.zip",
    ]
    assert len({archive.sha256 for archive in archives}) == len(archives)
    for archive in archives:
        assert archive.urls[0].startswith("https://")
        assert {urlsplit(url).path.rpartition("/")[2] for url in archive.urls} == {archive.name}
        assert re.fullmatch("[0-9a-f]{64}", archive.sha256)
        assert archive.size < archive.unpacked < 6 * archive.size
