"""The recipe of the 240 official classes: pinned digests, which need no data and are the same on any machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from fsbench.benchmarks.fss.class_folders import sample_ids
from fsbench.benchmarks.fss.lists import class_keys
from mosaic4 import recipe as recipe_module
from mosaic4.build import recipe_of_classes
from tests.mosaic4.naive_recipe import naive_recipe

DIGESTS = {
    2: "f6985e6135bafb0af3a88a3f3fe1ae6f35de9fdac63971f985411741bb2cd82b",
    3: "eab3116ddd3180c4e4a05be17e16951b09bb20f73e625ffef66ee19f3900d2e2",
    4: "0b7c7cbeb557561d2668dc45d9f6d21adf9c0449548a6b1015d4f763f5ead739",
}
"""Grid -> digest of the official recipe with seed 0."""

RECIPE = Path(recipe_module.__file__)
BARE = """
import sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
import recipe
assert not [name for name in sys.modules if name.partition(".")[0] in ("fsbench", "mosaic4", "numpy", "site")]
keys = sys.stdin.buffer.read().decode("utf-8").split()
samples = [f"{key}/{n}" for key in keys for n in range(10, 0, -1)]
print(sys.version.split()[0], *(recipe.make_recipe(samples, 0, grid).digest for grid in (2, 3, 4)))
"""


@pytest.mark.parametrize("grid", DIGESTS)
def test_digest_of_the_official_recipe(grid: int) -> None:
    assert recipe_of_classes(grid=grid).digest == DIGESTS[grid]


def test_the_official_recipe_needs_no_repair() -> None:
    official = recipe_of_classes()
    assert (len(official.classes), len(official.mosaics)) == (240, 2399)
    samples = {sample for key in class_keys("test") for sample in sample_ids(key)} - {"peregine_falcon/8"}
    expected = naive_recipe(sorted(samples), 0, 2)
    assert (expected.seed_string, expected.repairs) == ("0", 0)
    text = "".join(f"{i} {' '.join(mosaic)}\n" for i, mosaic in enumerate(expected.mosaics))
    assert sha256(text.encode()).hexdigest() == DIGESTS[2]


ENVIRONMENTS = {
    "3.11": {"LC_ALL": "C", "TZ": "UTC", "PYTHONHASHSEED": "0"},
    "3.12": {"LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "1"},
    "3.13": {"LC_ALL": "sv_SE.ISO8859-1", "TZ": "America/St_Johns", "PYTHONHASHSEED": "4294967295", "PYTHONUTF8": "0"},
}


def interpreter(version: str) -> str | Path | None:
    """A Python of that version: this one, one that the same version manager keeps, or the one on the path."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    found = shutil.which(f"python{version}")
    homes = [Path(sys.base_prefix).parent, *([Path(found).parent.parent / "versions"] if found else [])]
    kept = (path for home in homes for path in home.glob(f"{version}*/bin/python{version}"))
    return next(kept, found)


@pytest.mark.parametrize("version", ENVIRONMENTS)
def test_the_file_alone_gives_it_in_every_python_locale_and_time_zone(version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"Python {version} is not installed")
    done = subprocess.run(
        [python, "-S", "-c", BARE, str(RECIPE.parent)],
        input="\n".join(class_keys("test")).encode(),
        capture_output=True,
        env={**os.environ, **ENVIRONMENTS[version]},
        check=True,
    )
    found, *digests = done.stdout.decode().split()
    assert found.startswith(f"{version}.")
    assert digests == list(DIGESTS.values())
