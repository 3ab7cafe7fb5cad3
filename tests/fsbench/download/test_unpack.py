"""Unpacking: a good archive comes out as packed, and a bad one cannot write outside its folder."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsbench.download.unpack import unpack
from fsbench.errors import FsbenchError
from tests.fsbench.download.download_server import noise, packed, tar_bytes, zip_bytes
from tests.refusals import refusal

SUFFIXES = ("tar", "tgz", "zip")
GOOD = {"a/b/1.txt": b"one", "a/b/c/2.bin": noise(70_000), "a/b/empty": b""}
LIMIT = 1 << 20


def unpacked(tmp_path: Path, name: str, data: bytes, folder: str = "a/b", limit: int = LIMIT) -> dict[str, bytes]:
    """The unpacked files, path -> bytes; checks that nothing else was made in ``tmp_path``."""
    archive = tmp_path / name
    archive.write_bytes(data)
    try:
        unpack(archive, archive.suffix, folder, tmp_path / "into", limit)
    finally:
        there = {path.name for path in tmp_path.iterdir()}
        assert there <= {name, "into"}, there
        made = list((tmp_path / "into").rglob("*"))
        assert all(stat.S_IFMT(path.lstat().st_mode) in (stat.S_IFREG, stat.S_IFDIR) for path in made)
    return {str(path.relative_to(tmp_path / "into")): path.read_bytes() for path in made if path.is_file()}


def refused(tmp_path: Path, name: str, data: bytes, limit: int = LIMIT) -> str:
    message = refusal(unpacked, tmp_path, name, data, limit=limit)
    assert message.startswith(str(tmp_path / name))
    assert len(message) < 500
    return message


def tar_of(*members: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    return out.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_packed_comes_out(tmp_path: Path, suffix: str) -> None:
    files = GOOD | {"a/other": b"left out", "z": b"left out", "a/bc/near": b"left out"}
    assert unpacked(tmp_path, f"x.{suffix}", packed(f"x.{suffix}", files)) == GOOD


names = st.lists(st.sampled_from(["a", "b", "c", "Ä", "x.jpg", "..."]), min_size=1, max_size=4).map("/".join)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.dictionaries(names, st.binary(max_size=2000), max_size=8),
    suffix=st.sampled_from(SUFFIXES),
    folder=st.sampled_from(["a", "a/b", "..."]),
)
def test_any_tree_comes_out(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], suffix: str, folder: str
) -> None:
    files = {n: data for n, data in files.items() if not any(other.startswith(f"{n}/") for other in files)}
    wanted = {n: data for n, data in files.items() if n == folder or n.startswith(f"{folder}/")}
    name = f"x.{suffix}"
    assert unpacked(tmp_path_factory.mktemp("tree"), name, packed(name, files), folder) == wanted


OUTSIDE = ["../evil", "a/b/../../../evil", "a/b/..", "/evil", "//evil", "a\\..\\evil", "C:/evil", "a/b/1.txt:stream"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", [*OUTSIDE, "a/b/new\nline", ".."])
def test_names_that_lead_outside(tmp_path: Path, suffix: str, name: str) -> None:
    message = refused(tmp_path, f"x.{suffix}", packed(f"x.{suffix}", {"a/b/1.txt": b"one", name: b"evil"}))
    assert f"holds {name!r}, a name that could lead outside its folder" in message


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (member("a/b/out", tarfile.SYMTYPE, "/etc"), "a link"),
        (member("a/b/out", tarfile.SYMTYPE, "../../.."), "a link"),
        (member("a/b/out", tarfile.SYMTYPE, "1.txt"), "a link"),
        (member("a/b/out", tarfile.LNKTYPE, "../../x.tar"), "a link"),
        (member("a/b/out", tarfile.CHRTYPE), "a sparse or special file"),
        (member("a/b/out", tarfile.BLKTYPE), "a sparse or special file"),
        (member("a/b/out", tarfile.FIFOTYPE), "a sparse or special file"),
    ],
    ids=["absolute link", "link out", "link within", "hard link", "device", "disk", "pipe"],
)
def test_links_and_devices_in_a_tar(tmp_path: Path, bad: tarfile.TarInfo, kind: str) -> None:
    message = refused(tmp_path, "x.tar", tar_of(member("a/b/1.txt"), bad, member("a/b/out/evil")))
    assert f"'a/b/out' is {kind}, expected files and folders only" in message


def test_a_link_beside_the_folder_is_never_made(tmp_path: Path) -> None:
    data = tar_of(member("a/out", tarfile.SYMTYPE, "/etc"), member("a/b/1.txt"), member("a/out/evil", size=3))
    assert unpacked(tmp_path, "x.tar", data) == {"a/b/1.txt": b""}


def test_links_in_a_zip(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("a/b/out")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc")
    assert "'a/b/out' is a link" in refused(tmp_path, "x.zip", out.getvalue())


def test_encrypted_and_unusual_zips(tmp_path: Path) -> None:
    plain = zip_bytes({"a/b/1.txt": b"one"})
    at = plain.index(b"PK\x01\x02")
    locked = plain[:6] + b"\x01" + plain[7 : at + 8] + b"\x01" + plain[at + 9 :]
    assert "is encrypted" in refused(tmp_path, "x.zip", locked)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a/b/1.txt", b"one")
    assert "compressed in an unusual way" in refused(tmp_path, "x.zip", out.getvalue())


def test_rights_are_not_taken_over(tmp_path: Path) -> None:
    bad = member("a/b/run", size=3)
    bad.mode = 0o6777
    unpacked(tmp_path, "x.tar", tar_of(bad))
    assert (tmp_path / "into/a/b/run").stat().st_mode & 0o7111 == 0


@pytest.mark.parametrize("name", ["a/b/zeros", "left/out"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_bombs(tmp_path: Path, suffix: str, name: str) -> None:
    data = packed(f"x.{suffix}", {name: bytes(LIMIT + 1)})
    message = refused(tmp_path, f"x.{suffix}", data)
    assert "unpacks to more than the 1048576 bytes (1.0 MB) that it may have" in message
    written = sum(path.stat().st_size for path in (tmp_path / "into").rglob("*") if path.is_file())
    assert written <= LIMIT


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_bomb_of_empty_files(tmp_path: Path, suffix: str) -> None:
    files = {f"a/b/{n}": b"" for n in range(41)}
    assert "unpacks to more than" in refused(tmp_path, f"x.{suffix}", packed(f"x.{suffix}", files), limit=40 * 512)


def test_a_sparse_bomb(tmp_path: Path) -> None:
    sparse = member("a/b/hole")
    sparse.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(1 << 40), "GNU.sparse.numblocks": "1"}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(sparse)
    assert "'a/b/hole' is a sparse or special file" in refused(tmp_path, "x.tar", out.getvalue())


def test_damaged_zips(tmp_path: Path) -> None:
    data = zip_bytes({"a/b/zeros": bytes(LIMIT + 1)})
    lying = data.replace((LIMIT + 1).to_bytes(4, "little"), (9).to_bytes(4, "little"))
    assert lying != data
    assert "is broken (Bad CRC-32" in refused(tmp_path, "x.zip", lying)
    points_outside = zip_bytes({f"a/b/{n}": noise(99) for n in range(9)})[500:]
    assert "is broken (" in refused(tmp_path, "x.zip", points_outside)


def test_a_zip_with_an_entry_of_no_name(tmp_path: Path) -> None:
    data = zip_bytes({"a/b/1.txt": b"one", "~": b"two"})
    nameless = data.replace(b"~", b"\0")
    assert nameless.count(b"\0") == data.count(b"\0") + 2
    assert unpacked(tmp_path, "x.zip", nameless) == {"a/b/1.txt": b"one"}


@pytest.mark.parametrize("names", [("a/b/1", "a/b/1/2"), ("a/b/1/2", "a/b/1")])
def test_a_name_that_is_a_file_and_a_folder(tmp_path: Path, names: tuple[str, str]) -> None:
    assert "is broken (" in refused(tmp_path, "x.tar", packed("x.tar", dict.fromkeys(names, b"one")))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_that_are_no_archives(tmp_path: Path, suffix: str) -> None:
    for content in (b"", b"<html>", noise(3000)):
        assert "is broken (" in refused(tmp_path, f"x.{suffix}", content)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), suffix=st.sampled_from(SUFFIXES))
def test_damage_is_one_line_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, suffix: str
) -> None:
    whole = bytearray(packed(f"x.{suffix}", {"a/b/1.txt": b"one" * 9, "a/b/c/2": b"", "a/z": b"z"}))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with suppress(FsbenchError):
        unpacked(tmp_path_factory.mktemp("damage"), f"x.{suffix}", cut)


def test_names_in_a_tar_may_begin_with_a_dot(tmp_path: Path) -> None:
    assert unpacked(tmp_path, "x.tar", tar_bytes({"./a/b/1": b"1"})) == {"a/b/1": b"1"}
