"""A real HTTP server on this machine that misbehaves as scripted, small archives for it to serve, and killed runs."""

from __future__ import annotations

import hashlib
import io
import os
import re
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from fsbench.download.fetch import Patience
from fsbench.download.sources import Archive, Source
from tests import ROOT

QUICK = Patience(timeout=5, waits=(0.0, 0.0), enough=1 << 40)


@dataclass(frozen=True)
class How:
    """How one request is answered; the defaults are those of a good server."""

    status: int | None = None
    cut: int | None = None  # bytes of the answer after which the connection is closed
    pause: float = 0.0  # seconds between pieces of 4096 bytes
    silent: float = 0.0  # seconds before the answer
    resumes: bool = True
    heeds_if_range: bool = True
    etag: str | None = '"one"'
    modified: str | None = None
    length: bool = True  # whether it says how many bytes come
    extra: bytes = b""
    content_range: str | None = None
    location: str | None = None
    page: bytes | None = None  # a web page that is sent with 200 OK in place of the file


@dataclass
class Server:
    """The files served, how the next requests are answered, and the requests so far."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    script: list[How] = field(default_factory=list)
    always: How = How()
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def ranges(self) -> list[str | None]:
        """The ``Range`` of every request so far."""
        return [headers.get("range") for _, headers in self.asked]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: ClassVar[Server]

    def do_GET(self) -> None:
        self.close_connection = True
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.served.asked.append((self.path, headers))
        how = self.served.script.pop(0) if self.served.script else self.served.always
        time.sleep(how.silent)
        content = self.served.files.get(self.path)
        if how.location is not None:
            self.head(302, {"Location": how.location, "Content-Length": "0"})
        elif how.page is not None:
            self.head(200, {"Content-Type": "text/html; charset=utf-8"})
            self.wfile.write(how.page)
        elif how.status is not None or content is None:
            self.head(how.status or 404, {"Content-Length": "0"} | self.about(how))
        else:
            self.body(how, content, headers)

    def body(self, how: How, content: bytes, headers: Mapping[str, str]) -> None:
        start, answer = 0, {}
        asked = re.fullmatch(r"bytes=(\d+)-", headers.get("range", ""))
        since = headers.get("if-range")
        if asked and how.resumes and (not how.heeds_if_range or since in (None, how.etag, how.modified)):
            start = int(asked[1])
            answer["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        rest = content[start:] + how.extra
        if how.length:
            answer["Content-Length"] = str(len(rest))
        if how.content_range is not None:
            answer["Content-Range"] = how.content_range
        self.head(206 if answer.get("Content-Range") else 200, answer | self.about(how))
        for at in range(0, len(rest[: how.cut]), 4096):
            self.wfile.write(rest[: how.cut][at : at + 4096])
            time.sleep(how.pause)

    def about(self, how: How) -> dict[str, str]:
        known = {"ETag": how.etag, "Last-Modified": how.modified, "Content-Range": how.content_range}
        return {key: value for key, value in known.items() if value is not None}

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in (headers | {"Connection": "close"}).items():
            self.send_header(key, value)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing."""


class _Threads(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves in the middle is what is tested."""


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[Server]:
    """A server of ``files`` (name -> bytes) until the block ends."""
    handler = type("Handler", (_Handler,), {})
    web = _Threads(("127.0.0.1", 0), handler)
    server = Server(f"http://127.0.0.1:{web.server_port}", {f"/{name}": data for name, data in files.items()})
    handler.served = server  # type: ignore[attr-defined]
    thread = threading.Thread(target=web.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        web.shutdown()
        thread.join()
        web.server_close()


@contextmanager
def dead_server() -> Iterator[Server]:
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield Server(f"http://127.0.0.1:{taken.getsockname()[1]}")


def noise(size: int, name: str = "noise") -> bytes:
    """Bytes that do not compress, the same every time."""
    return hashlib.shake_256(name.encode()).digest(size)


def tar_bytes(files: Mapping[str, bytes], mode: str = "w") -> bytes:
    """A tar (``w``) or tgz (``w:gz``) of ``files``."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """A zip of ``files``, deflated; dated 1980, so that its bytes are the same at any time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def packed(name: str, files: Mapping[str, bytes]) -> bytes:
    """The archive that the name's suffix asks for."""
    if name.endswith(".zip"):
        return zip_bytes(files)
    return tar_bytes(files, "w:gz" if name.endswith(".tgz") else "w")


def archive_of(server: Server, name: str, data: bytes, folder: str = "things", holds: tuple[str, ...] = ()) -> Archive:
    """The entry of the source table for ``data`` under ``name``."""
    digests = hashlib.sha256(data).hexdigest(), hashlib.md5(data).hexdigest()
    return Archive((f"{server.url}/{name}",), len(data), digests[0], folder, holds, 1 << 24, digests[1])


FIRST = {"one/a.txt": b"first", "one/deep/b.bin": noise(60_000, "b"), "aside": b"left out"}
SECOND = {f"two/{n}.bin": noise(9_000, str(n)) for n in range(9)}
FILES = {"first.tgz": packed("first.tgz", FIRST), "second.zip": packed("second.zip", SECOND)}
EXPECTED = {name: data for name, data in (FIRST | SECOND).items() if name != "aside"}


def source_of(server: Server) -> Source:
    """A source of two archives, ``FILES``."""
    archives = (
        archive_of(server, "first.tgz", FILES["first.tgz"], "one", ("a.txt",)),
        archive_of(server, "second.zip", FILES["second.zip"], "two"),
    )
    return Source("Two things", "https://things.example", ("be kind",), archives, ("next: fsbench build {root}/one",))


def run_and_kill(code: str, *arguments: object, when: Callable[[], bool]) -> int:
    """Run Python ``code`` in a process and kill it as soon as ``when`` holds; returns its exit code."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + 60
    while not when() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.0005)
    process.kill()
    return process.wait(timeout=30)
