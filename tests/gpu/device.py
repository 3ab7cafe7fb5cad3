"""The device of tests marked ``gpu``: CUDA, or another that ``FSBENCH_TEST_DEVICE`` names, to try them without one."""

from __future__ import annotations

import os

import pytest
import torch

DEVICE = os.environ.get("FSBENCH_TEST_DEVICE", "cuda")
GPU = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        DEVICE.startswith("cuda") and not torch.cuda.is_available(), reason="no CUDA here: nothing was run on a GPU"
    ),
]
"""The marks of such a test."""
