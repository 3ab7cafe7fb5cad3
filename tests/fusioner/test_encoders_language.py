"""Text encoders of transformers: MiniLM with its real weights, BERT at full size with random ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch.nn.functional import normalize

from fsbench.errors import FsbenchError
from fusioner.encoders import TextEncoder, class_embeddings, language, load_text, prompt_set, text_spec
from tests.fusioner.random_weights import random_state

BERT = {
    "bert-base": {},
    "bert-large": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
}
"""What differs between the published configurations; BertConfig's own values are those of BERT-Base."""
TEXTS = ["a photo of a cat.", "Sofa", "a long sentence " * 20]


@pytest.fixture(scope="module")
def minilm() -> TextEncoder:
    return load_text("minilm")


SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def bert_folder(folder: Path, name: str = "bert-base", **changes: Any) -> Path:
    """As the hub has it: masked-language head and all, in safetensors, with MiniLM's tokenizer, which is BERT's."""
    with torch.device("meta"):
        net = transformers.BertForMaskedLM(transformers.BertConfig(**(BERT[name] | (changes or SMALL))))
    net.save_pretrained(folder, state_dict=random_state(net.state_dict(), seed=6))
    return copy_tokenizer(folder)


def copy_tokenizer(folder: Path) -> Path:
    for file in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(language._minilm_folder() / file, folder)
    return folder


def plain_mean(folder: Path, text: str) -> torch.Tensor:
    """The mean over one text alone, with nothing padded and nothing masked."""
    net = transformers.AutoModel.from_pretrained(folder).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.no_grad():
        mean: torch.Tensor = net(**tokens).last_hidden_state.mean(1)
    return mean


def test_minilm_is_that_of_sentence_transformers(minilm: TextEncoder) -> None:
    """Golden numbers: the first four of each vector by sentence-transformers 6.2.0."""
    theirs = torch.tensor(
        [
            [0.041517, 0.087891, 0.027096, 0.029989],
            [0.086741, -0.029697, -0.027932, 0.02782],
            [0.027662, 0.055456, 0.025049, -0.036471],
        ]
    )
    ours = minilm.embed(TEXTS)
    assert ours.shape == (3, 384)
    torch.testing.assert_close(normalize(ours, dim=-1)[:, :4], theirs, atol=1e-5, rtol=1e-4)


def test_minilm_places_like_names_close(minilm: TextEncoder) -> None:
    cat, kitten, bus = class_embeddings(minilm, ["cat", "kitten", "bus"], prompt_set("plain"))
    assert cat @ kitten > 0.7 > 0.5 > cat @ bus
    assert minilm.digest == "a0c656ee496409692ecc1e819980bad2e2f64baf79facb7319dd96dd51ad0f51"
    (alone,) = class_embeddings(minilm, ["bus"], prompt_set("plain"))
    assert torch.equal(alone, bus), "the same to the bit whatever else is embedded"


def test_padding_does_not_count(minilm: TextEncoder) -> None:
    torch.testing.assert_close(minilm.embed(TEXTS)[1:2], minilm.embed(TEXTS[1:2]), atol=1e-5, rtol=1e-4)
    assert minilm.embed(["word " * 2000]).isfinite().all()
    assert minilm.embed([]).shape == (0, 384)


def test_bert_is_the_mean_of_the_last_layer(tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "bert", num_hidden_layers=1, intermediate_size=64)
    encoder: Any = load_text("bert-base", weights=folder)
    embedded = encoder.embed(TEXTS[:2])
    assert embedded.shape == (2, text_spec("bert-base").width)
    torch.testing.assert_close(embedded[1:], plain_mean(folder, TEXTS[1]), atol=1e-4, rtol=1e-4)
    assert not encoder._net.training
    assert not any(p.requires_grad for p in encoder._net.parameters())


@pytest.mark.parametrize(("name", "size"), [("bert-base", 109_482_240), ("bert-large", 335_141_888)])
def test_bert_has_the_right_shapes_on_the_meta_device(name: str, size: int) -> None:
    with torch.device("meta"):
        net = transformers.BertModel(transformers.BertConfig(**BERT[name])).eval()
        last = net(torch.zeros(2, 9, dtype=torch.long)).last_hidden_state
    assert last.shape == (2, 9, text_spec(name).width)
    assert sum(p.numel() for p in net.parameters()) == size


@pytest.mark.long
@pytest.mark.parametrize("name", BERT)
def test_bert_for_real(name: str, tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "bert", name, hidden_dropout_prob=0.1)
    embedded = load_text(name, weights=folder).embed(TEXTS[:2])
    torch.testing.assert_close(embedded[1:], plain_mean(folder, TEXTS[1]), atol=1e-4, rtol=1e-4)
    (folder / "model.safetensors").unlink()


def test_any_encoder_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = bert_folder(tmp_path / "small")
    assert (text_spec(f"hf:{folder}").width, text_spec(f"hf:any={folder}").width) == (32, 32)
    encoder, named = load_text(f"hf:{folder}"), load_text(f"hf:any={folder}")
    torch.testing.assert_close(encoder.embed(["a cat"]), plain_mean(folder, "a cat"), atol=1e-5, rtol=1e-4)
    assert (encoder.digest, named.spec.name) == (named.digest, "hf:any")
    monkeypatch.setenv("FSBENCH_HOME", str(tmp_path))
    (tmp_path / "encoders" / "hf" / "org").mkdir(parents=True)
    folder.rename(tmp_path / "encoders" / "hf" / "org" / "small")
    assert load_text("hf:org/small").digest == encoder.digest


def test_the_encoder_of_a_translator(tmp_path: Path) -> None:
    config = transformers.T5Config(d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, vocab_size=30522)
    net = transformers.T5Model(config)
    net.load_state_dict(random_state(net.state_dict(), seed=1))
    net.save_pretrained(tmp_path)
    copy_tokenizer(tmp_path)
    encoder = load_text(f"hf:{tmp_path}")
    assert encoder.spec.width == 32
    tokens = transformers.AutoTokenizer.from_pretrained(tmp_path)("a cat", return_tensors="pt")
    with torch.no_grad():
        expected = net.eval().encoder(input_ids=tokens["input_ids"]).last_hidden_state.mean(1)
    torch.testing.assert_close(encoder.embed(["a cat"]), expected, atol=1e-5, rtol=1e-4)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = bert_folder(tmp_path / "small")
    another = "small: has the weights of another network"
    with pytest.raises(FsbenchError, match=rf"{another}: width 32, bert-base has 768$"):
        load_text("bert-base", weights=folder)
    config = folder / "config.json"
    published = config.read_text()
    config.write_text(json.dumps(json.loads(published) | {"intermediate_size": 48}))
    with pytest.raises(FsbenchError, match=rf"{another}: 6 tensors are missing or of another shape, .*intermediate"):
        load_text(f"hf:{folder}")
    config.write_text(published)
    state = {k: v for k, v in load_file(folder / "model.safetensors").items() if "layer.1.output" not in k}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(FsbenchError, match=rf"{another}: 4 tensors are missing .*layer\.1\.o"):
        load_text(f"hf:{folder}")


def test_folders_without_an_encoder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FsbenchError, match=r"expected a folder with config\.json, model\.safetensors and a tokenizer"):
        load_text("bert-base", weights=tmp_path)
    with pytest.raises(FsbenchError, match=r"nothing: expected a folder with config\.json"):
        text_spec(f"hf:{tmp_path}/nothing")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(FsbenchError, match=r"config\.json: is damaged \(Expecting property name"):
        load_text(f"hf:{tmp_path}")
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(FsbenchError, match=r"transformers cannot read its config\.json") as error:
        load_text(f"hf:{tmp_path}")
    assert "\n" not in str(error.value)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    with pytest.raises(FsbenchError, match="a 'clip' is no encoder of text alone"):
        text_spec(f"hf:any={tmp_path}")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(FsbenchError, match=r"transformers cannot load hf:\S+ from it") as error:
        load_text(f"hf:{tmp_path}")
    assert "\n" not in str(error.value)


def test_a_missing_or_altered_package_of_minilm_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, known in language.MINILM_SHA256.items():
        with monkeypatch.context() as patch:
            patch.setattr(language, "MINILM_SHA256", {name: "0" * 64})
            with pytest.raises(FsbenchError, match=rf"{name}: SHA-256 is {known}, expected 0+: pip install --force"):
                load_text("minilm")
    monkeypatch.setattr(language, "PACKAGE", "minilm_that_is_not_there")
    with pytest.raises(FsbenchError, match=r"^minilm: .* are not installed: pip install 'fsbench\[offline\]'$"):
        load_text("minilm")
