"""One file over the network: resumed where it stopped, checked, and in its place only when whole."""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import os
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from audiossl.errors import DataError

log = logging.getLogger(__name__)

_BLOCK_SIZE = 1 << 18
_TIMEOUT_SECONDS = 60
_CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")


def download(url: str, target: Path, sha256: str | None = None, tries: int = 3) -> Path:
    """Download `url` to the file `target`, which appears by rename.

    What arrived before an interruption stays next to `target` as `.part` and is continued by the next call, if the server still
    has the same file (`ETag` or `Last-Modified`) or a checksum will show it.

    Args:
        url: an http, https or file address.
        target: file to write.
        sha256: expected checksum, in hexadecimal.
        tries: how often a broken connection is taken up again.

    Raises:
        DataError: if the server refuses, the connection keeps breaking, or the checksum is another.
    """
    name = target.name
    if urlsplit(url).scheme not in ("http", "https", "file"):
        raise DataError(f"cannot download {name}: its address must start with http://, https:// or file://")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{name}.part")
    failure = ""
    for _ in range(tries):
        try:
            failure = _continue(url, part, trust_part=sha256 is not None)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 416:  # 416: more is here than the server has
                raise DataError(f"cannot download {name}: the server answered {error.code} {error.reason}") from error
            part.unlink(missing_ok=True)
            failure = "the file on the server has changed"
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            failure = str(getattr(error, "reason", error))
        if not failure:
            break
        log.info("%s: %s", name, failure)
    else:
        raise DataError(
            f"cannot download {name}: {failure}. Check the network and run the same command again: what has arrived is kept"
        )
    try:
        check_sum(part, name, sha256)
    except DataError:
        part.unlink()
        raise
    finally:
        _notes_path(part).unlink(missing_ok=True)
    part.replace(target)
    return target


def _continue(url: str, part: Path, trust_part: bool) -> str:
    """Fetch what is missing in `part`; returns the reason if something still is, or an empty string."""
    headers, have = {}, part.stat().st_size if part.exists() else 0
    validator = _read_notes(part).get("validator") if _read_notes(part).get("url") == url else None
    if have and validator:
        headers = {"Range": f"bytes={have}-", "If-Range": validator}
    elif have and trust_part:
        headers = {"Range": f"bytes={have}-"}
    with urllib.request.urlopen(
        urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_SECONDS, context=_tls(url)
    ) as answer:
        resumed = getattr(answer, "status", None) == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if not resumed:
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        etag = answer.headers.get("ETag") or ""
        notes = {"url": url, "validator": answer.headers.get("Last-Modified") if etag.startswith("W/") or not etag else etag}
        _notes_path(part).write_text(json.dumps(notes), encoding="utf-8")
        log.info("%s: %s%s", part.stem, _megabytes(total), f", continued at {_megabytes(have)}" if resumed else "")
        with part.open("ab" if resumed else "wb") as file:
            while block := answer.read(_BLOCK_SIZE):
                file.write(block)
    size = part.stat().st_size
    return "" if total is None or size == total else f"the connection ended at {size} of {total} bytes"


def check_sum(file: Path, name: str, sha256: str | None) -> None:
    """Compare the SHA-256 checksum of a file with the expected one, if there is one.

    Raises:
        DataError: if they differ; the message speaks of the file as `name`.
    """
    if sha256 is None:
        return
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != sha256.lower():
        raise DataError(
            f"{name} has the SHA-256 checksum {found}, expected {sha256.lower()}: it is another file, or was damaged on the way. "
            "It was thrown away; try again, or correct the checksum"
        )


def _tls(url: str) -> ssl.SSLContext | None:
    """The certificates that the user's other tools trust, where the usual variables name them."""
    if not url.startswith("https:"):
        return None
    context = ssl.create_default_context()
    for variable in _CERTIFICATE_VARIABLES:
        path = os.environ.get(variable, "")
        if path and Path(path).is_file():
            context.load_verify_locations(path)
    return context


def _notes_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_notes(part: Path) -> dict[str, Any]:
    try:
        notes = json.loads(_notes_path(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _megabytes(size: int | None) -> str:
    return "size unknown" if size is None else f"{size / 1e6:.1f} MB"
