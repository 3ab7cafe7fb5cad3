"""Raw PASCAL VOC 2012 on disk: where it lies, which file is a sample's mask, and its label map.

The masks of the field's papers, ``SegmentationClassAug``, are VOC's own where VOC has one and SBD's elsewhere. That
can be seen in the 12031 files: each of the 2913 images that VOC annotates (1464 train, 1449 val) has void pixels (255),
which VOC draws around every object and SBD never, and none of the 9118 others has a single one. So where that folder
is not at hand, the same masks are read from VOC's ``SegmentationClass`` and the official ``.mat`` files of SBD.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fsbench.benchmarks.pascal_lists import official
from fsbench.benchmarks.pascal_rule import CLASSES, LabelMap, label_areas
from fsbench.benchmarks.sbd import read_sbd
from fsbench.errors import FsbenchError
from fsbench.images import read_indices

VOID = 255
LAST_CLASS = CLASSES


@dataclass(frozen=True)
class MaskFolders:
    """Where masks lie: ``png`` is SegmentationClassAug where ``sbd`` is None, else VOC's own SegmentationClass.

    ``sbd``: the folder of SBD's ``NAME.mat``, for the samples that VOC does not annotate.
    """

    png: Path
    sbd: Path | None = None

    def mask_path(self, sample: str) -> Path:
        """The file that is the sample's mask, whether it is there or not.

        A sample that VOC annotates never gets SBD's mask, even where VOC's is missing: they differ.
        """
        png = self.png / f"{sample}.png"
        if self.sbd is None or sample in official() or png.is_file():
            return png
        return self.sbd / f"{sample}.mat"


def find_voc(root: Path) -> Path:
    """The folder ``VOC2012`` (it holds ``JPEGImages``) given itself, the ``VOCdevkit`` around it or that one's parent.

    Raises FsbenchError where it is none of these.
    """
    for folder in (root, root / "VOC2012", root / "VOCdevkit" / "VOC2012"):
        if (folder / "JPEGImages").is_dir():
            return folder
    raise FsbenchError(
        f"{root}: holds no VOC 2012: expected a folder with JPEGImages here, in VOC2012 or in VOCdevkit/VOC2012: "
        "unpack VOCtrainval_11-May-2012.tar and give the VOCdevkit folder"
    )


def find_masks(voc: Path, sbd: Path | None = None) -> MaskFolders:
    """The mask folders of a ``VOC2012`` folder: SegmentationClassAug, or with ``sbd`` VOC's and SBD's own masks.

    ``sbd``: the unpacked ``benchmark_RELEASE``, its ``dataset`` folder, or the parent of either. Raises FsbenchError
    where a folder is missing.
    """
    if sbd is None:
        if not (voc / "SegmentationClassAug").is_dir():
            raise FsbenchError(
                f"{voc}: has no folder SegmentationClassAug: put it there, or give the Semantic Boundaries "
                "Dataset (benchmark_RELEASE) with --sbd to make the same masks from"
            )
        return MaskFolders(voc / "SegmentationClassAug")
    if not (voc / "SegmentationClass").is_dir():
        raise FsbenchError(
            f"{voc}: has no folder SegmentationClass, and SBD's masks replace only those that VOC 2012 lacks: "
            "unpack VOCtrainval_11-May-2012.tar in full"
        )
    for folder in (sbd, sbd / "dataset", sbd / "benchmark_RELEASE" / "dataset"):
        if (folder / "cls").is_dir():
            return MaskFolders(voc / "SegmentationClass", folder / "cls")
    raise FsbenchError(
        f"{sbd}: holds no SBD masks: expected a folder cls here or in dataset: unpack benchmark.tgz and give "
        "its folder benchmark_RELEASE with --sbd"
    )


def read_label_map(path: Path, data: bytes | None = None) -> LabelMap:
    """The label map in a ``.png`` (mode P or L) or a ``.mat`` of SBD: uint8 H x W of 0..20 and 255 = void.

    Raises FsbenchError if the file is missing, broken, of another kind, or holds another value.
    """
    label_map = _read(path, data)
    signed = label_map.view(np.int8)  # void is -1, so that one interval holds all that is allowed
    if signed.max() > LAST_CLASS or signed.min() < -1:
        _check_labels(path, label_areas(label_map))
    return label_map


def read_label_areas(path: Path) -> tuple[LabelMap, dict[int, int]]:
    """The label map and its ``label_areas``, for whoever needs both: the areas tell of unknown values at no cost.

    Raises FsbenchError as ``read_label_map``.
    """
    label_map = _read(path, None)
    areas = label_areas(label_map)
    _check_labels(path, areas)
    return label_map, areas


def _read(path: Path, data: bytes | None) -> LabelMap:
    return read_sbd(path, data) if path.suffix == ".mat" else read_indices(path, data)


def _check_labels(path: Path, areas: dict[int, int]) -> None:
    for label, area in areas.items():
        if LAST_CLASS < label != VOID:
            raise FsbenchError(
                f"{path}: unknown class id {label} ({area} pixels): expected a VOC label map of 0..{LAST_CLASS} and "
                f"{VOID}: take the mask from SegmentationClassAug again"
            )
