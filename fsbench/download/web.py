"""One HTTP request for the rest of a file, and its possible answers.

The rest is requested with ``Range``, and with ``If-Range`` if the server gave the file a strong ETag or a date, so that
the rest of a changed file is never appended to the old beginning (RFC 9110, 13.1.5 and 14).
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from typing import IO, Any
from urllib.parse import urlsplit

from fsbench.download.disk import format_bytes
from fsbench.errors import FsbenchError
from fsbench.version import __version__

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that are worth another try."""
WEB_PAGES = frozenset({"text/html", "application/xhtml+xml"})
"""Sent by a portal, a block or a moved page in place of a file, often with 200 OK and no length."""
READ_BYTES = 1 << 18


class HostError(Exception):
    """The host will not give the file; the reason in a few words."""


class InterruptedTransferError(Exception):
    """The connection failed, but another try may work; the reason in a few words."""


@dataclass(frozen=True)
class Validator:
    """Identifies a version of the file at ``url``."""

    url: str
    etag: str | None = None
    modified: str | None = None

    def if_range(self, url: str) -> str | None:
        """The value of ``If-Range`` for ``url``: a strong ETag, else the date; None for another address."""
        if url != self.url:
            return None
        return self.modified if self.etag is None or self.etag.startswith("W/") else self.etag


@dataclass(frozen=True)
class Rest:
    """An answer: the file from byte ``start`` on (0 if the server does not resume), and its version."""

    start: int
    validator: Validator
    _response: http.client.HTTPResponse

    def read(self) -> bytes:
        """The next bytes, empty at the end; raises InterruptedTransferError."""
        with _network():
            return self._response.read1(READ_BYTES)


def check_url(url: str, option: str) -> str:
    """``url`` without a slash at its end; raises FsbenchError unless it is ``http(s)://HOST/…`` and no more."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and " " not in url
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment or parts.username or not url.isascii() or not url.isprintable():
        raise FsbenchError(
            f"{option} {url!r}: expected the address of a folder, http(s)://HOST/PATH, with no user, query or "
            "fragment: the file's own name is put behind it"
        )
    return url.rstrip("/")


@contextmanager
def open_rest(url: str, size: int, start: int, known: Validator | None, timeout: float) -> Iterator[Rest]:
    """Request the bytes from ``start`` on of a file of ``size`` bytes.

    ``known``: the version of the bytes before ``start``. Raises InterruptedTransferError if another try may help, and
    HostError if the answer is not this file: an error, a web page, a file of another size.
    """
    request = urllib.request.Request(url, headers={"User-Agent": f"fsbench/{__version__}"})
    if start:
        request.add_header("Range", f"bytes={start}-")
        condition = known.if_range(url) if known else None
        if condition:
            request.add_header("If-Range", condition)
    with _network():
        response = _answer(request, size, timeout)
    with response:
        if response.headers.get_content_type() in WEB_PAGES:
            raise HostError("it answers with a web page")
        began, offered = _range(response)
        if offered is not None and offered != size:
            raise HostError(_other_file(offered, size))
        if began not in (0, start):
            raise HostError(f"it was asked for the bytes from {start} on and sends those from {began} on")
        version = Validator(url, response.headers.get("ETag"), response.headers.get("Last-Modified"))
        yield Rest(began, version, response)


def changed(known: Validator | None, rest: Rest) -> bool:
    """Whether a resumed answer is of another version than ``known`` (servers may ignore ``If-Range``)."""
    if known is None or not rest.start or known.url != rest.validator.url:
        return False
    now = rest.validator
    if known.etag and now.etag:
        return known.etag != now.etag
    return bool(known.modified and now.modified and known.modified != now.modified)


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirections to http and https only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme not in ("http", "https"):
            fp.close()
            raise HostError(f"it redirects out of the web, to {newurl[:100]!r}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _answer(request: urllib.request.Request, size: int, timeout: float) -> http.client.HTTPResponse:
    opener = urllib.request.build_opener(_WebOnly)
    try:
        response: Any = opener.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            if error.code in PASSING:
                raise InterruptedTransferError(f"it answers {_phrase(error.code)}") from error
            size_there = re.fullmatch(r"bytes \*/(\d{1,18})", error.headers.get("Content-Range") or "")
            if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and size_there:
                raise HostError(_other_file(int(size_there[1]), size)) from error
            if error.msg.startswith(urllib.request.HTTPRedirectHandler.inf_msg):
                raise HostError("it redirects in a circle") from error
            raise HostError(f"it answers {_phrase(error.code)}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, socket.gaierror):
            raise HostError("no such host, or no network") from error
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise HostError(f"its certificate is not accepted: {error.reason.verify_message}") from error
        raise
    except UnicodeError as error:
        raise HostError("the address names no host that there can be") from error
    answer: http.client.HTTPResponse = response
    return answer


def _range(response: http.client.HTTPResponse) -> tuple[int, int | None]:
    """The first byte of an answer, and the size of the whole file if the server gives it."""
    if response.status == HTTPStatus.OK:
        length = response.headers.get("Content-Length") or ""
        return 0, int(length) if re.fullmatch(r"\d{1,18}", length) else None
    found = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", response.headers.get("Content-Range") or "")
    if response.status != HTTPStatus.PARTIAL_CONTENT or not found:
        raise HostError(f"it answers {_phrase(response.status)} without the file")
    return int(found[1]), None if found[2] == "*" else int(found[2])


def _other_file(offered: int, size: int) -> str:
    return f"it has another file: {offered} bytes ({format_bytes(offered)}), the official one has {size}"


def _phrase(code: int) -> str:
    """The number and its name; never the server's own words, which may hold anything."""
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


@contextmanager
def _network() -> Iterator[None]:
    """Turn errors of the network into InterruptedTransferError: nothing else may be used inside."""
    try:
        yield
    except TimeoutError as error:
        raise InterruptedTransferError("it went silent") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise InterruptedTransferError("no connection (timed out)") from error
        raise InterruptedTransferError(
            f"no connection ({getattr(error.reason, 'strerror', None) or error.reason})"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise InterruptedTransferError(f"the connection broke ({type(error).__name__})") from error
