#!/usr/bin/env bash
# Pillow's BOX filter, when an image shrinks by a factor that is not whole, is no average over areas.
#
# Guess, written down first: resize(..., Resampling.BOX) averages over the area that an output pixel covers, so it agrees
# with OpenCV's INTER_AREA to within one grey level.
# Seen (Pillow 13.0.0, opencv-python-headless 5.0.0.93, numpy 2.4.6): BOX takes an input pixel whole or not at all, by where
# its centre lies, and gives those it takes equal weights. A row 0, 255, 0 shrunk to two pixels is 128, 0, though the
# picture is symmetric; INTER_AREA gives 85, 85. On noise of 550 x 640 shrunk to 224 x 224 the two differ by 8 grey levels in
# the mean and up to 66. At whole factors they agree to within one.
# Who is hurt: whoever shrinks photographs or soft masks "by area" with either library, and compares with someone who used
# the other; a mosaic or a resized dataset made with one cannot be remade with the other.
#
# Needs bash, Python 3.11 or newer and pip. Exits 0 while this holds, 1 when it has changed.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 opencv-python-headless==5.0.0.93 numpy==2.4.6
"$here/venv/bin/python" - <<'PYTHON'
import sys

import cv2
import numpy as np
import PIL
from PIL import Image


def box(pixels, height, width):
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX)).astype(int)


def area(pixels, height, width):
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA).astype(int)


row = np.array([[0, 255, 0]], np.uint8)
noise = np.random.RandomState(0).randint(0, 256, (550, 640)).astype(np.uint8)
whole = np.abs(box(noise[:448, :], 224, 320) - area(noise[:448, :], 224, 320)).max()
apart = np.abs(box(noise, 224, 224) - area(noise, 224, 224))
print(f"Pillow {PIL.__version__}, OpenCV {cv2.__version__}")
print(f"0, 255, 0 as two pixels: BOX {box(row, 1, 2)[0].tolist()}, INTER_AREA {area(row, 1, 2)[0].tolist()}")
print(f"550 x 640 to 224 x 224: {apart.mean():.1f} grey levels apart in the mean, at most {apart.max()}")
print(f"448 x 640 to 224 x 320: at most {whole} apart")
same = box(row, 1, 2)[0].tolist() == [128, 0] and area(row, 1, 2)[0].tolist() == [85, 85]
sys.exit(not (same and apart.mean() > 5 and whole <= 1))
PYTHON
