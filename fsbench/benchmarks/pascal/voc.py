"""Raw PASCAL VOC 2012 on disk: its folder, and which file is a sample's mask.

The masks of the field's papers, ``SegmentationClassAug``, are VOC's own where VOC has one and SBD's elsewhere. That
can be seen in the 12031 files: each of the 2913 images that VOC annotates (1464 train, 1449 val) has void pixels (255),
which VOC draws around every object and SBD never, and none of the 9118 others has a single one. So where that folder
is missing, the same masks are read from VOC's ``SegmentationClass`` and the official ``.mat`` files of SBD.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fsbench.benchmarks.pascal.lists import official
from fsbench.errors import FsbenchError


@dataclass(frozen=True)
class MaskFolders:
    """Mask folders: ``png`` is SegmentationClassAug where ``sbd`` is None, else VOC's own SegmentationClass.

    ``sbd``: the folder of SBD's ``NAME.mat``, for the samples that VOC does not annotate.
    """

    png: Path
    sbd: Path | None = None

    def mask_path(self, sample: str) -> Path:
        """The file that is the sample's mask, whether it exists or not.

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

    ``sbd``: ``benchmark_RELEASE``, its ``dataset``, or the parent of either. Raises FsbenchError for a missing folder.
    """
    if sbd is None:
        if not (voc / "SegmentationClassAug").is_dir():
            raise FsbenchError(
                f"{voc}: has no folder SegmentationClassAug: add it, or give the Semantic Boundaries "
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
