"""Files from servers: over https alone, of a known size, checked before they count, and continued where they broke."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from ..errors import BadInput, FailedRun
from ..hashing import sha256
from ..wording import counted, shown

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_REDIRECTS, _TRIES, _PAUSE = 5, 4, 0.5
_CHUNK, _PATIENCE = 1 << 16, 30
OnBytes = Callable[[int], None]
"""Called with the number of bytes that have come since the last call; a negative one if some were thrown away."""


class Wrong(Exception):
    """What a server sent is not what is asked for: another try would not help."""


class Broken(Exception):
    """A connection that ended too early, or a server that is busy: another try may help."""


def allowed(url: str) -> bool:
    """Whether an address may be fetched: over https, or from this very machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    )


def check_mirror(url: str) -> str:
    """The address unchanged; raises BadInput for one that may not be fetched."""
    try:
        good = allowed(url)
    except ValueError:
        good = False
    if not good:
        raise BadInput(f"--mirror {shown(url, 300)}: give an address that begins with https://.")
    return url


def download(url: str, part: Path, size: int, checksum: str | None, on_bytes: OnBytes, pause: float = _PAUSE) -> None:
    """Fetch a file of ``size`` bytes to ``part``, and go on where an earlier attempt ended.

    Without a ``checksum``, ``size`` is the most that may come. Raises Wrong for a file that is another one, which is
    removed, and Broken where several attempts failed; then what came is kept.
    """
    for attempt in range(_TRIES):
        try:
            _attempt(url, part, size, exact=checksum is not None, on_bytes=on_bytes)
            break
        except Broken:
            if attempt == _TRIES - 1:
                raise
            time.sleep(pause * 2**attempt)
    if checksum is not None and sha256(part) != checksum:
        _drop(part, on_bytes)
        raise Wrong("it has another checksum")


def _attempt(url: str, part: Path, size: int, *, exact: bool, on_bytes: OnBytes) -> None:
    have = part.stat().st_size if exact and part.exists() else 0
    if have > size:
        _drop(part, on_bytes)
        have = 0
    if exact and have == size:
        return
    with _answer(url, have) as answer:
        if answer.status_code == 206 and answer.headers.get("content-range", "").startswith(f"bytes {have}-"):
            mode = "ab"
        elif answer.status_code == 200:
            if have:
                on_bytes(-have)
            mode, have = "wb", 0
        else:
            raise Wrong("it sends a part that was not asked for")
        declared = answer.headers.get("content-length")
        if (
            declared
            and declared.isdigit()
            and (int(declared) + have > size or (exact and int(declared) + have != size))
        ):
            raise Wrong(f"it has {int(declared) + have:,} bytes, not {size:,}")
        with part.open(mode) as out:
            try:
                for chunk in answer.raw.stream(_CHUNK, decode_content=False):
                    have += len(chunk)
                    if have > size:
                        raise Wrong(f"it has more than {size:,} bytes")
                    out.write(chunk)
                    on_bytes(len(chunk))
            except (RequestException, HTTPError) as error:
                raise Broken(_reason(error)) from None
    if exact and have < size:
        raise Broken(f"the connection ended after {have:,} of {size:,} bytes")


@contextmanager
def _answer(url: str, have: int) -> Iterator[requests.Response]:
    """The answer of a server, after redirects to allowed addresses only."""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    secure = url.startswith("https:")
    with requests.Session() as session:
        for _ in range(_REDIRECTS):
            try:
                answer = session.get(url, headers=headers, stream=True, allow_redirects=False, timeout=_PATIENCE)
            except (RequestException, HTTPError) as error:
                raise Broken(_reason(error)) from None
            with answer:
                if answer.is_redirect:
                    url = urljoin(url, answer.headers["location"])
                    if not allowed(url) or (secure and not url.startswith("https:")):
                        raise Wrong(f"it leads to {shown(url)}, which is not https")
                    continue
                if answer.status_code >= 500 or answer.status_code == 429:
                    raise Broken(f"the server answers {answer.status_code}")
                if answer.status_code not in (200, 206):
                    raise Wrong(f"the server answers {answer.status_code}")
                yield answer
                return
    raise Wrong(f"it leads from address to address more than {counted(_REDIRECTS, 'time')}")


def _drop(part: Path, on_bytes: OnBytes) -> None:
    on_bytes(-part.stat().st_size)
    part.unlink()


def _reason(error: Exception) -> str:
    return shown(" ".join(str(error).split()) or type(error).__name__, 150)


def failed(name: str, reasons: dict[str, str]) -> FailedRun:
    """The error for a file that no mirror gave, with the reason of each."""
    each = "; ".join(f"{shown(url, 120)}: {why}" for url, why in reasons.items())
    return FailedRun(f"{name} could not be fetched ({each}); what came is kept: run the same command again.")
