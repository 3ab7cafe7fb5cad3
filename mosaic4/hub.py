"""Uploads files to a dataset repository of the Hugging Face hub in one commit.

A repository that holds something else, or is public where a private one was asked, is refused before anything is
written. Every error of the hub or the network is one line that says what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fsbench.errors import FsbenchError
from mosaic4.dataset import JSON
from mosaic4.out_folder import FILES, FOLDERS

if TYPE_CHECKING:
    from huggingface_hub import HfApi

LOGIN = "log in with 'hf auth login', or set HF_TOKEN, as someone with write access"


def check_repo_id(repo: str) -> str:
    """``repo`` itself; raises FsbenchError where the hub does not accept the name."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise FsbenchError(f"--repo {repo!r}: {_one_line(error)}: give OWNER/NAME") from error
    if "/" not in repo:
        raise FsbenchError(f"--repo {repo!r}: has no owner: give OWNER/NAME")
    return repo


def check_token() -> None:
    """Raise FsbenchError where nobody is logged in."""
    from huggingface_hub import get_token

    if get_token() is None:
        raise FsbenchError(f"an upload to the hub needs a token: {LOGIN}")


def upload(
    api: HfApi, repo: str, files: Mapping[str, Path | bytes], *, private: bool, revision: str | None, message: str
) -> str:
    """Commit ``files`` (path on the hub -> file or bytes) and return the commit's URL.

    A missing repository is created. The same commit removes files of an earlier Mosaic-4 that are not in ``files``;
    other files stay. Raises FsbenchError for a repository that is not a dataset or holds something else, for a public
    one where ``private`` was asked, without write access, and without a network.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    with _one_line_errors(repo, api.endpoint):
        if api.repo_exists(repo, repo_type="dataset"):
            if private and api.dataset_info(repo).private is False:
                raise FsbenchError(f"{repo}: is public on the hub: use --public, or choose another --repo")
        else:
            for other in ("model", "space"):
                if api.repo_exists(repo, repo_type=other):
                    raise FsbenchError(f"{repo}: is a {other} on the hub, expected a dataset: choose another --repo")
            api.create_repo(repo, private=private, repo_type="dataset", exist_ok=True)
        if revision is not None and not revision.startswith("refs/"):
            api.create_branch(repo, branch=revision, repo_type="dataset", exist_ok=True)
        present = set(api.list_repo_files(repo, repo_type="dataset", revision=revision)) - {".gitattributes"}
        if present and JSON not in present:
            raise FsbenchError(
                f"{repo}: holds {min(present)} and no {JSON}, so it is no Mosaic-4: choose another --repo"
            )
        commit = api.create_commit(
            repo,
            [
                *(CommitOperationAdd(name, file) for name, file in files.items()),
                *(CommitOperationDelete(name, is_folder=False) for name in sorted(filter(_ours, present - set(files)))),
            ],
            commit_message=message,
            repo_type="dataset",
            revision=revision,
        )
    return str(commit.commit_url)


def _ours(name: str) -> bool:
    folder, _, file = name.rpartition("/")
    return name in FILES if not folder else folder in FOLDERS and bool(re.fullmatch(FOLDERS[folder], file))


@contextmanager
def _one_line_errors(repo: str, endpoint: str) -> Iterator[None]:
    """Turn what huggingface_hub raises into FsbenchError."""
    from huggingface_hub.errors import HfHubHTTPError

    # HTTPError of the library that this version of huggingface_hub talks through: requests, httpx or httpx2
    transport: type[Exception] = next(base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception))
    try:
        yield
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        answer = f"{repo}: the hub refuses ({status or 'no status'}: {_one_line(error.server_message or error)})"
        raise FsbenchError(f"{answer}: {LOGIN if status in (401, 403, 404) else 'try again later'}") from error
    except (transport, OSError) as error:
        name = getattr(error, "filename", None)
        if name is not None:
            raise FsbenchError(f"{name}: cannot be read ({_one_line(error)}): build it again") from error
        raise FsbenchError(f"{endpoint}: cannot be reached ({_one_line(error)}): check the network") from error
    except (RuntimeError, ValueError) as error:  # what its uploads of large files raise
        raise FsbenchError(f"{repo}: the upload failed ({_one_line(error)}): run the same command again") from error


def _one_line(text: object) -> str:
    return " ".join(str(text).split()).rstrip(".") or type(text).__name__
