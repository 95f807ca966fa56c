"""One file of the hub into its cache: goes on where an earlier attempt was cut, and checks the hash.

huggingface_hub's own download begins anew after its process ended (it removes its partial file), loses up to 10 MB at
each cut, and checks lengths only. The layout of the cache is its own: blobs/ETAG, snapshots/COMMIT/NAME -> blob.
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import BinaryIO

from orchestrator.core.modelfiles.hub_files import HubFile
from orchestrator.edge import paths
from orchestrator.edge.hub.remote import Listing, explained
from orchestrator.edge.hub.sink import Advance, Sink
from orchestrator.errors import PlanError

TRIES = 5
"""Connections in a row that may end without a byte."""
PAUSE = 1.0
GO_ON = "what has come is kept: `stack pull` goes on from there"


class Stopped(Exception):
    """Another file failed, or the user pressed Ctrl-C."""


def repo_folder(repo: str) -> Path:
    return paths.hub_cache() / f"models--{repo.replace('/', '--')}"


def blob(repo: str, file: HubFile) -> Path:
    return repo_folder(repo) / "blobs" / file.etag


def partial(repo: str, file: HubFile) -> Path:
    return repo_folder(repo) / "blobs" / f"{file.etag}.stack.incomplete"


def download(found: Listing, file: HubFile, advance: Advance, stop: threading.Event) -> None:
    """Have the file in the snapshot. Raises PlanError: the network, the disk, a hash that is not the hub's; Stopped."""
    if stop.is_set():
        raise Stopped
    target = blob(found.repo, file)
    try:
        if not target.exists() and not _too_large_for_http(found, file, advance):
            target.parent.mkdir(parents=True, exist_ok=True)
            with partial(found.repo, file).open("a+b") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX)  # a second pull waits here, then finds the file
                if not target.exists():
                    _fetch(found, file, Sink(stream, file, advance), stop)
                    _settle(stream, target)
                else:
                    Path(stream.name).unlink(missing_ok=True)
        link = repo_folder(found.repo) / "snapshots" / found.commit / file.name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.relpath(target, link.parent))
    except OSError as error:
        raise PlanError(f"{found.repo}: {file.name}: {error.strerror or error}", mend=GO_ON) from error


def _settle(stream: BinaryIO, target: Path) -> None:
    stream.flush()
    os.fsync(stream.fileno())
    os.replace(stream.name, target)


def _fetch(found: Listing, file: HubFile, sink: Sink, stop: threading.Event) -> None:
    """All bytes, hashed; once more from the beginning if the hash is wrong and a part of it was here before."""
    resumed = sink.resume() > 0
    _all_bytes(found, file, sink, stop)
    if not sink.right() and resumed:
        sink.restart()
        _all_bytes(found, file, sink, stop)
    if not sink.right():
        sink.restart()
        text = f"{found.repo}: {file.name} came with another content than the hub states: wrong hash"
        raise PlanError(text, mend="it was removed; a proxy or a mirror that changes files is the usual reason")


def _too_large_for_http(found: Listing, file: HubFile, advance: Advance) -> bool:
    """The hub gives files beyond 50 GB to its own protocol only, which checks hashes; whether it was used."""
    from huggingface_hub import constants, hf_hub_download

    if file.size <= constants.MAX_HTTP_DOWNLOAD_SIZE:
        return False
    with explained(found.repo, found.revision):
        hf_hub_download(found.repo, file.name, revision=found.commit, cache_dir=paths.hub_cache())
    advance(file.size)
    return True


def _all_bytes(found: Listing, file: HubFile, sink: Sink, stop: threading.Event) -> None:
    import httpx2

    tries = 0
    while sink.size < file.size:
        before = sink.size
        try:
            with explained(found.repo, found.revision, cut=False):
                _connection(found, file, sink, stop)
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            tries = 0 if sink.size > before else tries + 1
            if tries >= TRIES:
                text = f"{found.repo}: {file.name}: the connection was lost at {sink.size} of {file.size} bytes"
                raise PlanError(f"{text}: {error or type(error).__name__}", mend=GO_ON) from error
            stop.wait(PAUSE)


def _connection(found: Listing, file: HubFile, sink: Sink, stop: threading.Event) -> None:
    """One request for what is missing. Raises the HTTP library's errors and Stopped."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils._headers import build_hf_headers
    from huggingface_hub.utils._http import get_session, hf_raise_for_status

    url = hf_hub_url(found.repo, file.name, revision=found.commit)
    # compressed content has another length, and its ranges mean something else
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if sink.size:
        headers["Range"] = f"bytes={sink.size}-"
    with get_session().stream("GET", url, headers=headers, follow_redirects=True, timeout=30.0) as answer:
        hf_raise_for_status(answer)
        if sink.size and answer.status_code != 206:
            sink.restart()
        for block in answer.iter_raw():
            if stop.is_set():
                raise Stopped
            sink.write(block)
