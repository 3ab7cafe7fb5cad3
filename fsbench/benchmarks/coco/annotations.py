"""COCO's ``instances_*.json``: typed, in little memory, every fault an error of one line.

Segmentations stay as they are in the file (views of its bytes) until a mask is made of them. Whole numbers may be
written as floats (12.0), as annotation tools do: such a file is read a second time, entry by entry.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from fsbench.benchmarks.coco.lists import CATEGORY_IDS
from fsbench.errors import FsbenchError
from fsbench.io.untrusted import read_bytes, reading

YEARS = ("2014", "2017")
LONGEST_SIDE = 10_000
"""Pixels; COCO's photographs have at most 640. More would be a mask that takes all memory."""
LARGEST_WHOLE = 2**53
"""Below it a float tells whole numbers apart."""
LONGEST_VALUE = 40
KINDS = {"images": "image", "annotations": "annotation", "categories": "category"}
CLASS_OF = {category: class_id for class_id, category in enumerate(CATEGORY_IDS)}


class _Image(msgspec.Struct, gc=False):
    id: int
    file_name: str
    height: int
    width: int


class Instance(msgspec.Struct, gc=False):
    """One annotation. ``segmentation``: its JSON, a view of the file's bytes."""

    id: int
    image_id: int
    category_id: int
    segmentation: msgspec.Raw
    iscrowd: int = 0

    @property
    def class_id(self) -> int:
        """The 0-based class id."""
        return CLASS_OF[self.category_id]


class _Category(msgspec.Struct, gc=False):
    id: int
    name: str


class _File(msgspec.Struct):
    images: list[_Image]
    annotations: list[Instance]
    categories: list[_Category]


class _Entries(msgspec.Struct):
    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw]
    categories: list[msgspec.Raw]


Entry = TypeVar("Entry", _Image, Instance, _Category)


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One image with its instances in the file's order.

    ``photograph`` is relative to the root; ``annotations``: the annotation file.
    """

    id: int
    photograph: str
    height: int
    width: int
    annotations: Path
    instances: tuple[Instance, ...]


def find_root(root: Path) -> Path:
    """The folder that holds ``annotations``; raises FsbenchError where neither ``root`` nor ``root/coco`` does."""
    for folder in (root, root / "coco"):
        if (folder / "annotations").is_dir():
            return folder
    raise FsbenchError(
        f"{root}: has no folder annotations: give the folder that holds annotations and val2014 (or 2017)"
    )


def annotation_files(root: Path) -> dict[str, Path]:
    """Image folder -> its ``instances_*.json``, of 2014 if present with images, else 2017; raises FsbenchError."""
    for year in YEARS:
        found = {f"{split}{year}": root / "annotations" / f"instances_{split}{year}.json" for split in ("val", "train")}
        present = {folder: path for folder, path in found.items() if path.is_file() and (root / folder).is_dir()}
        if present:
            return present
    raise FsbenchError(
        f"{root}: no annotations with their images: expected annotations/instances_val2014.json and a folder val2014, "
        "or the same of 2017"
    )


LARGEST = 4 * 2**30
"""Bytes of an annotation file; COCO's largest, instances_train2017.json, has 448 MB."""


def read_annotations(root: Path) -> tuple[list[CocoImage], dict[Path, str]]:
    """All images of the root, and annotation file -> SHA-256 (hex); raises FsbenchError for a damaged or odd file."""
    images: list[CocoImage] = []
    digests = {}
    seen: dict[int, str] = {}
    for folder, path in annotation_files(root).items():
        with reading(path, "check its permissions"):
            data = read_bytes(path, LARGEST)
        digests[path] = hashlib.sha256(data).hexdigest()
        for image in _read(path, folder, data):
            if image.id in seen:
                raise FsbenchError(f"{path}: two images have the id {image.id} ({seen[image.id]}, {image.photograph})")
            seen[image.id] = image.photograph
            images.append(image)
    return images, digests


def whole(value: object) -> int | None:
    """A whole number, also one written as a float; None for anything else.

    >>> whole(12), whole(12.0), whole(12.5), whole(True), whole("12")
    (12, 12, None, None, None)
    """
    if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST_WHOLE:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _decoded(path: Path, data: bytes) -> _File:
    try:
        try:
            return msgspec.json.decode(data, type=_File)
        except msgspec.ValidationError:
            entries = msgspec.json.decode(data, type=_Entries)
            return _File(
                [_entry(path, "images", n, raw, _Image) for n, raw in enumerate(entries.images)],
                [_entry(path, "annotations", n, raw, Instance) for n, raw in enumerate(entries.annotations)],
                [_entry(path, "categories", n, raw, _Category) for n, raw in enumerate(entries.categories)],
            )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FsbenchError(f"{path}: is not a complete COCO annotation file ({error}): fetch it again") from error


def _entry(path: Path, kind: str, place: int, raw: msgspec.Raw, of: type[Entry]) -> Entry:
    """One entry with its whole numbers as such; raises FsbenchError that names the entry and what does not fit."""
    try:
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError as error:
        what = f"{kind}[{place}] is {_short(raw)}, expected an object"
        raise FsbenchError(f"{path}: {what}: correct it, or fetch the file again") from error
    what = f"{KINDS[kind]} {_short(fields['id']) if 'id' in fields else f'{kind}[{place}]'}"
    for field in msgspec.structs.fields(of):
        if field.name not in fields:
            if field.required:
                raise FsbenchError(f"{path}: {what}: lacks {field.name}: correct it, or fetch the file again")
        elif field.type is not msgspec.Raw:
            value = msgspec.json.decode(fields[field.name])
            fits = whole(value) if field.type is int else value if isinstance(value, str) else None
            if fits is None:
                expected = "a whole number" if field.type is int else "a text"
                misfit = f"{field.name} is {_short(fields[field.name])}, expected {expected}"
                raise FsbenchError(f"{path}: {what}: {misfit}: correct it, or fetch the file again")
            fields[field.name] = msgspec.Raw(msgspec.json.encode(fits))
    return msgspec.json.decode(msgspec.json.encode(fields), type=of)


def _short(raw: msgspec.Raw) -> str:
    """A value's JSON, in one line and not too long."""
    text = " ".join(bytes(raw).decode(errors="replace").split())
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _read(path: Path, folder: str, data: bytes) -> Iterator[CocoImage]:
    content = _decoded(path, data)
    missing = sorted(set(CATEGORY_IDS) - {category.id for category in content.categories})
    if missing:
        raise FsbenchError(
            f"{path}: {len(missing)} of COCO's 80 category ids are missing, first {missing[0]}: fetch the file again"
        )
    of_image: dict[int, list[Instance]] = {image.id: [] for image in content.images}
    for a in content.annotations:
        if a.category_id not in CLASS_OF or a.image_id not in of_image:
            what = f"category {a.category_id}" if a.category_id not in CLASS_OF else f"image {a.image_id}"
            raise FsbenchError(f"{path}: annotation {a.id} names {what}, which the file does not have: fetch it again")
        of_image[a.image_id].append(a)
    if len(of_image) < len(content.images):
        (twice, _), *_ = Counter(image.id for image in content.images).most_common(1)
        raise FsbenchError(f"{path}: two images have the id {twice}: fetch the file again")
    for image in content.images:
        plain = re.fullmatch(r"\w[\w.-]*", image.file_name)
        if not plain or not (1 <= image.height <= LONGEST_SIDE and 1 <= image.width <= LONGEST_SIDE):
            raise FsbenchError(
                f"{path}: image {image.id} is {image.file_name!r} of {image.height} x {image.width}: fetch it again"
            )
        photograph = f"{folder}/{image.file_name}"
        yield CocoImage(image.id, photograph, image.height, image.width, path, tuple(of_image.pop(image.id)))
