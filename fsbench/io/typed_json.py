"""JSON index files as strict pydantic models, with one-line errors that name the file."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from fsbench.errors import FsbenchError
from fsbench.io.untrusted import check_json, joined, plain, read_bytes

LARGEST_INDEX = 64 * 2**20
"""Bytes of the largest JSON index: one of 100,000 classes has some 20 MiB."""


def first_fault(error: ValidationError, whole: str = "the file") -> str:
    """The first field of a validation error with its message; ``whole`` where it names no field."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{joined(first['loc']) or whole}: {plain(first['msg']).removeprefix('Value error, ')[:200]}"


Typed = TypeVar("Typed", bound=BaseModel)


def read_typed(path: Path, model: type[Typed], what: str, remedy: str, most: int = LARGEST_INDEX) -> Typed:
    """The JSON file ``path`` as a strict pydantic ``model``.

    ``what`` and ``remedy`` are used in messages: "a training report", "train again". Raises FsbenchError if the file
    cannot be read, is larger than ``most`` bytes, or does not fit the model.
    """
    try:
        data = read_bytes(path, most)
        check_json(data)
        return model.model_validate_json(data)
    except OSError as error:
        raise FsbenchError(f"{path}: cannot be read ({error.strerror}): expected {what}: {remedy}") from error
    except ValidationError as error:
        raise FsbenchError(f"{path}: is not {what} ({first_fault(error)}): {remedy}") from error
    except ValueError as error:
        raise FsbenchError(f"{path}: is not {what} ({plain(error)[:200]}): {remedy}") from error
