"""The tools that pack the published lists; an installed package has none."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from types import ModuleType

import pytest

from tests import ROOT


def packer(name: str) -> tuple[Callable[[], ModuleType], pytest.MarkDecorator]:
    """A function that loads ``tools/NAME.py``, and a mark that skips a test where there is no such file."""
    path = ROOT / "tools" / f"{name}.py"

    @cache
    def load() -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load, pytest.mark.skipif(not path.is_file(), reason=f"{path.name} is not in an installed package")
