"""A whole download: terms first, archives verified, whole folders under their final names, and the next command."""

from __future__ import annotations

import re
import shutil
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from filelock import FileLock

from fsbench.benchmarks.pascal import lists as pascal_lists
from fsbench.benchmarks.pascal import pascal5i
from fsbench.download.place import WORK
from fsbench.download.run import download
from fsbench.download.sources import Source, sources
from fsbench.errors import FsbenchError
from tests import command
from tests.fsbench.benchmarks.synthetic_voc import write_sbd, write_voc
from tests.fsbench.download.download_server import (
    EXPECTED,
    FILES,
    QUICK,
    Server,
    archive_of,
    packed,
    serving,
    source_of,
)
from tests.refusals import refusal


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(FILES) as running:
        yield running


def run(source: Source, root: Path, *by_hand: Path, mirror: str | None = None) -> list[str]:
    lines: list[str] = []
    download(source, root, say=lines.append, by_hand=by_hand, mirror=mirror, patience=QUICK)
    return lines


def tree(root: Path) -> dict[str, bytes]:
    """All files but the working ones."""
    files = [path for path in root.rglob("*") if path.is_file() and WORK not in path.parts]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_terms_first_and_the_next_command_last(server: Server, tmp_path: Path) -> None:
    printed: list[tuple[str, int]] = []
    download(source_of(server), tmp_path, say=lambda line: printed.append((line, len(server.asked))), patience=QUICK)
    lines = [line for line, _ in printed]
    assert lines[:3] == ["Two things", "  terms (https://things.example):", "    be kind"]
    assert lines[3].endswith(f"{server.url}/first.tgz")
    assert lines[5].startswith("  archives and unpacked files together take up to 33.7 MB")
    assert all(asked == 0 for _, asked in printed[:6])
    assert lines[-1] == f"next: fsbench build {tmp_path}/one"
    assert tree(tmp_path) == EXPECTED
    assert sorted(path.name for path in (tmp_path / WORK).iterdir()) == ["first.tgz", "lock", "second.zip"]
    assert f"  {tmp_path}/one: there already, taken as it is" in run(source_of(server), tmp_path)
    shutil.rmtree(tmp_path / "two")
    assert "  second.zip: there already, checksum right" in run(source_of(server), tmp_path)
    assert len(server.asked) == 2
    assert tree(tmp_path) == EXPECTED


def test_a_mirror_has_the_same_names(server: Server, tmp_path: Path) -> None:
    with serving({f"some/where/{name}": data for name, data in FILES.items()}) as mirror:
        lines = run(source_of(server), tmp_path, mirror=f"{mirror.url}/some/where/")
        assert [path for path, _ in mirror.asked] == ["/some/where/first.tgz", "/some/where/second.zip"]
        assert lines[3].endswith(f"{mirror.url}/some/where/first.tgz")
    assert server.asked == []
    assert tree(tmp_path) == EXPECTED


NO_MIRRORS = ["ftp://host/x", "file:///x", "host/x", "", "http://", "http://host/x?y=1", "http://host/#x"]
NO_MIRRORS += ["http://me:secret@host/", "http://host:port/", "http://[::1/", "http://host/a b", "http://host/\n"]


@pytest.mark.parametrize("mirror", [*NO_MIRRORS, "http://höst/"])
def test_an_address_that_cannot_be_a_mirror(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(FsbenchError, match=r"^--mirror .*: expected the address of a folder") as raised:
        run(source_of(Server("http://host")), tmp_path, mirror=mirror)
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


@pytest.mark.parametrize(("folder", "missing"), [("one", "one/missing.txt"), ("three", "three/")])
def test_a_right_checksum_of_the_wrong_content(server: Server, tmp_path: Path, folder: str, missing: str) -> None:
    wrong = archive_of(server, "first.tgz", FILES["first.tgz"], folder, ("a.txt", "missing.txt"))
    with pytest.raises(FsbenchError, match=rf"first\.tgz: holds no {missing}: it is not the official archive"):
        run(replace(source_of(server), archives=(wrong,)), tmp_path)
    assert tree(tmp_path) == {}


def test_a_folder_with_something_else_is_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "mine.txt").write_text("mine")
    with pytest.raises(FsbenchError, match=r"one: is there, but holds no a\.txt, so it does not come from first\.tgz"):
        run(source_of(server), tmp_path)
    assert tree(tmp_path) == {"one/mine.txt": b"mine"}
    assert server.asked == []


def test_a_small_disk(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_of(server)
    free = sum(archive.size + archive.unpacked for archive in source.archives) - 1
    usage = namedtuple("usage", ["total", "used", "free"])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 0, free))
    assert "33.7 MB are free, up to 33.7 MB are needed: free some space" in refusal(run, source, tmp_path)
    assert server.asked == []
    (tmp_path / WORK / "first.tgz.part").write_bytes(FILES["first.tgz"][:1])
    run(source, tmp_path)  # one byte is there: just enough
    assert tree(tmp_path) == EXPECTED


def test_a_root_that_is_a_file_or_in_use(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FsbenchError, match=r"file.*cannot be written or read \(Not a directory\).*--root"):
        run(source_of(server), tmp_path / "file")
    (tmp_path / WORK).mkdir()
    with FileLock(tmp_path / WORK / "lock"), pytest.raises(FsbenchError, match="another run is at work here"):
        run(source_of(server), tmp_path)


@pytest.mark.parametrize("what", ["voc", "sbd", "coco2014"])
def test_the_command_prints_terms_and_sizes_before_it_fails(what: str, tmp_path: Path) -> None:
    with serving({}) as nothing:
        done = command.run("download", what, "--root", tmp_path, "--mirror", nothing.url)
        assert len(nothing.asked) == 1
    assert done.code == 2
    assert "answers 404 Not Found" in done.err
    assert done.out.startswith(sources()[what].title)
    assert "https://www.flickr.com/help/terms" in done.out
    assert all(f"{nothing.url}/{archive.name}" in done.out for archive in sources()[what].archives)
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
    served = {
        "voc": packed(".tar", zipped(voc, "VOCdevkit") | lists),
        "sbd": packed(".tgz", zipped(sbd, "benchmark_RELEASE") | splits | photographs),
    }
    root = tmp_path / "root"
    for what, data in served.items():
        real = sources()[what]
        official = real.archives[0]
        with serving({official.name: data}) as server:
            archive = archive_of(server, official.name, data, official.folder, official.holds)
            lines = run(replace(real, archives=(archive,)), root)
    following = re.fullmatch(r"next: fsbench build pascal-5i --root (\S+) --sbd (\S+)", lines[-1])
    assert following is not None
    built = pascal5i.build(Path(following[1]), tmp_path / "built", sbd=Path(following[2]), partial=True)
    assert {sample.id for sample in built.samples.values() if sample.present} == {*val, *train}
    assert len(VOCSegmentation(root, image_set="val")) == 2
    assert len(SBDataset(str(root / "benchmark_RELEASE" / "dataset"), mode="segmentation")) == 2


def test_the_table_of_sources() -> None:
    from torchvision.datasets import SBDataset
    from torchvision.datasets.voc import DATASET_YEAR_DICT  # type: ignore[import-untyped]

    archives = {archive.name: archive for source in sources().values() for archive in source.archives}
    assert list(archives) == [
        "VOCtrainval_11-May-2012.tar",
        "benchmark.tgz",
        "annotations_trainval2014.zip",
        "train2014.zip",
        "val2014.zip",
    ]
    assert len({archive.sha256 for archive in archives.values()}) == len(archives)
    for name, archive in archives.items():
        assert archive.urls[0].startswith("https://")
        assert {urlsplit(url).path.rpartition("/")[2] for url in archive.urls} == {name}
        assert re.fullmatch("[0-9a-f]{64}", archive.sha256)
        assert archive.size < archive.unpacked < 6 * archive.size
    voc, sbd, known = archives["VOCtrainval_11-May-2012.tar"], archives["benchmark.tgz"], DATASET_YEAR_DICT["2012"]
    assert (voc.name, voc.md5, Path(voc.folder)) == (known["filename"], known["md5"], Path(known["base_dir"]))
    assert (sbd.name, sbd.md5) == (SBDataset.filename, SBDataset.md5)
    hosts = [urlsplit(url).netloc for url in voc.urls]
    assert (hosts[0], hosts[-1]) == ("thor.robots.ox.ac.uk", "host.robots.ox.ac.uk")
