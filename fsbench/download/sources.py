"""What can be downloaded: terms, addresses, sizes and checksums, as data.

VOC and SBD: address, file name and MD5 are those of the installed torchvision, size and SHA-256 are added here.
torchvision's own ``download=True`` is not used: it cannot resume, unpacks with ``extractall`` and no filter, knows no
mirror, and leaves a half-unpacked folder behind when it is killed.

Where the added numbers come from. SHA-256: the prototype datasets in torchvision's repository (voc.py, sbd.py and
coco.py in ``torchvision/prototype/datasets/_builtin``); for the COCO photographs Git LFS gives the same for public
copies, for the COCO annotations https://github.com/mlcommons/inference/pull/2572 does. Sizes: what the hosts said in
published logs (SBD: https://github.com/pytorch/vision/issues/8471), for COCO also Git LFS. None was measured by us.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

from torchvision.datasets.sbd import SBDataset
from torchvision.datasets.voc import DATASET_YEAR_DICT

FLICKR = "https://www.flickr.com/help/terms"
COCO_HOST = "https://s3.amazonaws.com/images.cocodataset.org"
"""The bucket behind http://images.cocodataset.org, whose own https address has a certificate for another name."""


@dataclass(frozen=True)
class Archive:
    """One official file. ``folder``: the one folder of it that is unpacked, at the same path under the root.

    ``size``: bytes of the archive. ``unpacked``: the most bytes that it may unpack to. ``holds``: what must be in
    ``folder``. ``md5``: where it is published beside ``sha256``.
    """

    url: str
    size: int
    sha256: str
    folder: str
    holds: tuple[str, ...]
    unpacked: int
    md5: str | None = None

    @property
    def name(self) -> str:
        """The file's name, the same on every mirror."""
        return urlsplit(self.url).path.rpartition("/")[2]


@dataclass(frozen=True)
class Source:
    """A dataset that a program can fetch. In ``next``, ``{root}`` stands for the folder."""

    title: str
    page: str
    terms: tuple[str, ...]
    archives: tuple[Archive, ...]
    next: tuple[str, ...]


BUILD_PASCAL = "fsbench build pascal-5i --root {root}/VOCdevkit --sbd {root}/benchmark_RELEASE"


@cache
def sources() -> dict[str, Source]:
    """All that can be fetched, by the name on the command line."""
    return {"voc": _voc(), "sbd": _sbd(), "coco2014": _coco2014()}


def _voc() -> Source:
    known = DATASET_YEAR_DICT["2012"]
    archive = Archive(
        url=known["url"],
        size=1_999_639_040,
        sha256="e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
        md5=known["md5"],
        folder="VOCdevkit/VOC2012",
        holds=("JPEGImages", "SegmentationClass", "ImageSets/Segmentation/val.txt"),
        unpacked=2_000_000_000,
    )
    return Source(
        title="PASCAL VOC 2012, training and validation data",
        page="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
        terms=(
            "the photographs come from Flickr, and their use must respect the Flickr terms of use:",
            FLICKR,
        ),
        archives=(archive,),
        next=(
            "PASCAL-5i needs SBD too, or a folder SegmentationClassAug in {root}/VOCdevkit/VOC2012:",
            "next: fsbench download sbd --root {root}",
            f"then: {BUILD_PASCAL}",
        ),
    )


def _sbd() -> Source:
    archive = Archive(
        url=SBDataset.url,
        size=1_419_539_633,
        sha256="6a5a2918d5c73ce032fdeba876574d150d9d04113ab87540a1304cbcc715be53",
        md5=SBDataset.md5,
        folder="benchmark_RELEASE/dataset",
        holds=("cls", "img", "train.txt", "val.txt"),
        unpacked=3_000_000_000,
    )
    return Source(
        title="Semantic Boundaries Dataset (SBD)",
        page="http://www.cs.berkeley.edu/~bharath2/codes/SBD/download.html",
        terms=(
            "its page names no licence and asks that Hariharan et al., ICCV 2011, be cited; the photographs are those",
            f"of PASCAL VOC 2011, from Flickr, and their use must respect the Flickr terms of use: {FLICKR}",
        ),
        archives=(archive,),
        next=("with VOC 2012 in the same root (fsbench download voc --root {root}):", f"next: {BUILD_PASCAL}"),
    )


def _coco2014() -> Source:
    photographs = (
        ("train2014", 13_510_573_713, "ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775", 15),
        ("val2014", 6_645_013_297, "fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0", 8),
    )
    annotations = Archive(
        url=f"{COCO_HOST}/annotations/annotations_trainval2014.zip",
        size=252_872_794,
        sha256="031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009",
        folder="annotations",
        holds=("instances_train2014.json", "instances_val2014.json"),
        unpacked=1_000_000_000,
    )
    return Source(
        title="COCO 2014, photographs and annotations",
        page="https://cocodataset.org/#termsofuse",
        terms=(
            "annotations: Creative Commons Attribution 4.0, by the COCO Consortium; photographs: not owned by the",
            f"Consortium, their use must abide by the Flickr terms of use: {FLICKR}",
        ),
        archives=(
            annotations,
            *(
                Archive(f"{COCO_HOST}/zips/{name}.zip", size, sha256, name, (), gigabytes * 1_000_000_000)
                for name, size, sha256, gigabytes in photographs
            ),
        ),
        next=("next: fsbench build coco-20i --root {root}",),
    )


FSS1000 = """\
FSS-1000 (Li et al., CVPR 2020) lies on a file share that wants a browser: no program can fetch it reliably.
  terms: its readme names no licence and asks that the paper be cited (arXiv:1907.12347)
  1. Open https://github.com/HKUSTCV/FSS-1000 and follow "Google drive: download here".
     (The link there: https://drive.google.com/open?id=16TgqOeI_0P41Eh3jWQlxlRXG9KIqtMgI)
  2. Unpack the archive, and find the folder that holds the 1000 class folders (ab_wheel, abacus, ...).
  3. Each class folder holds ten photographs, 1.jpg to 10.jpg, and ten masks, 1.png to 10.png, 224 x 224 pixels.
     Give that folder as --root; nothing has to be renamed or moved.
  4. No checksum of the archive is published. This reads every file, checks it, and lists what is wrong:
     fsbench build fss-1000 --root {root}"""
"""What a person has to do. ``{root}`` stands for the folder."""
