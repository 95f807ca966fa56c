"""What the hub has: the files of a repository at a revision, with sizes and hashes; its errors in our words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.core.modelfiles.hub_files import HubFile, folder_files, proper, split_parts
from orchestrator.core.spec import Source
from orchestrator.edge.hub.cache import is_path
from orchestrator.errors import PlanError

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling


@dataclass(frozen=True, slots=True)
class Listing:
    """The files to have, small ones first. revision: as asked for; commit: what it is now."""

    repo: str
    revision: str
    commit: str
    files: tuple[HubFile, ...]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def listing(source: Source) -> Listing:
    """Asks the hub (HF_ENDPOINT, HF_TOKEN). Raises PlanError: no such repository, revision or file, no access, no
    network, no safetensors."""
    repo, revision = source.repo or "", source.revision or "main"
    with explained(repo, revision):
        if source.file:
            names = [name for name in (source.file, source.mmproj, source.draft) if name and not is_path(name)]
            commit, files = _named(repo, revision, [part for name in names for part in split_parts(name)])
        else:
            commit, files = _folder(repo, revision)
    etags = (file.etag for file in files)
    if not all(map(proper, (revision, commit, *(file.name for file in files)))) or any("/" in etag for etag in etags):
        raise PlanError(f"{repo}: the hub states names that would leave its folder")
    return Listing(repo, revision, commit, tuple(sorted(files, key=lambda file: (file.size, file.name))))


def _folder(repo: str, revision: str) -> tuple[str, list[HubFile]]:
    from huggingface_hub import HfApi

    info = HfApi().model_info(repo, revision=revision, files_metadata=True)
    by_name = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    names = folder_files(by_name)
    if not names:
        ggufs = sorted(name for name in by_name if name.endswith(".gguf"))
        mend = f"its GGUF files are for llama-cpp: file: {ggufs[0]}" if ggufs else "choose one that has them"
        raise PlanError(f"{repo} has no safetensors", mend=mend)
    files = [_stated(by_name[name]) for name in names]
    unstated = [name for name, file in zip(names, files, strict=True) if file is None]
    asked = _named(repo, info.sha or revision, unstated)[1]
    return info.sha or revision, [file for file in files if file] + asked


def _stated(sibling: RepoSibling) -> HubFile | None:
    etag = sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
    size = sibling.lfs.size if sibling.lfs else sibling.size
    return HubFile(sibling.rfilename, size, etag) if etag and size is not None else None


def _named(repo: str, revision: str, names: Sequence[str]) -> tuple[str, list[HubFile]]:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    commit, files = revision, []
    for name in names:
        found = get_hf_file_metadata(hf_hub_url(repo, name, revision=revision))
        commit = found.commit_hash or commit
        if found.size is None or not found.etag:
            raise PlanError(f"{repo}: the hub does not state the size of {name}")
        files.append(HubFile(name, found.size, found.etag))
    return commit, files


@contextmanager
def explained(repo: str, revision: str, *, cut: bool = True) -> Iterator[None]:
    """The hub library's errors as PlanErrors. cut=False leaves lost connections to the caller."""
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        mend = f"accept its terms at {_page(repo)}, then set HF_TOKEN to a token of that account"
        raise PlanError(f"{repo} is gated: this account has no access", mend=mend) from error
    except errors.RevisionNotFoundError as error:
        raise PlanError(f"{repo} has no revision {revision}", mend=f"its revisions: {_page(repo)}") from error
    except errors.RemoteEntryNotFoundError as error:
        name = str(error.response.url).rpartition(f"/{revision}/")[2] if error.response is not None else "a file"
        raise PlanError(f"{repo} has no file {name}", mend=f"its files: {_page(repo)}/tree/{revision}") from error
    except errors.RepositoryNotFoundError as error:
        mend = f"look at {_page(repo)}; a private one needs HF_TOKEN"
        raise PlanError(f"{repo}: there is no such repository, or it is private", mend=mend) from error
    except errors.OfflineModeIsEnabled as error:
        raise PlanError(f"{repo} is not here yet, and HF_HUB_OFFLINE forbids the network") from error
    except errors.HFValidationError as error:
        raise PlanError(f"{repo}: {error}", mend="a repository is called OWNER/NAME") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "an error"
        mend = "set HF_TOKEN to a token with access" if status in (401, 403) else "try again later"
        raise PlanError(f"{repo}: the hub answered {status}", mend=mend) from error
    except httpx2.HTTPError as error:
        if not cut:
            raise
        mend = f"{_endpoint()} must be reachable; what was downloaded is kept, `stack pull` goes on from there"
        raise PlanError(f"{repo}: no answer from the hub: {error or type(error).__name__}", mend=mend) from error


def _endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def _page(repo: str) -> str:
    return f"{_endpoint()}/{repo}"
