"""The one line with which a call must be refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fsbench.errors import FsbenchError


def refusal(call: Callable[..., object], *arguments: Any, **options: Any) -> str:
    """The message of the FsbenchError that ``call`` must raise: one line, exit code 2."""
    with pytest.raises(FsbenchError) as caught:
        call(*arguments, **options)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)
