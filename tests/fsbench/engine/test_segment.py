"""One photograph and one model: what is asked, what is written, and every refusal."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, features

import fsbench
from fsbench.engine.segment import ORIENTATION, Segmentation
from fsbench.errors import FsbenchError, ModelError
from fsbench.io.images import read_indices
from fsbench.io.palette import colour_of
from fsbench.models.contract import Episode, ModelCard
from fsbench.pictures.captions import wrapped
from fsbench.pictures.overlay import LEAST_WIDTH, LONGEST, MARGIN
from tests.command import refusal, run
from tests.fsbench.sample_models import Masked, Wrong
from tests.fuzz.targets import Target
from tests.fuzz.test_fuzz import fuzz

MODEL = "tests.fsbench.engine.test_segment:Channels"
CHANNELS = {"red": 0, "green": 1, "blue": 2}


class Channels:
    """The class named after a colour is where that channel is above ``level``; by text alone."""

    def __init__(self, *, level: float = 100.0) -> None:
        self.card = ModelCard(name="channels", prompts="text")
        self.level = level
        self.episodes: list[Episode] = []

    def segment(self, episodes: Sequence[Episode]) -> list[torch.Tensor]:
        self.episodes += episodes
        print("looking")
        zero = torch.zeros(episodes[0].image.shape[1:]) - 1
        return [
            torch.stack(
                [e.image[CHANNELS[p.class_name]] - self.level if p.class_name in CHANNELS else zero for p in e.prompts]
            )
            for e in episodes
        ]


def drawn(height: int = 40, width: int = 60) -> np.ndarray:
    """A quarter red, a quarter blue (more of it), the rest dark."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2, 0] = 200
    pixels[height // 2 :, width // 2 :, 2] = 220
    return pixels


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    Image.fromarray(drawn()).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_all_names_are_asked_at_once(photograph: Path) -> None:
    model = Channels()
    found = fsbench.segment(model, photograph, ["blue", " a   zebra ", "red"])
    (episode,) = model.episodes
    assert [(p.class_name, p.support_images, p.support_masks) for p in episode.prompts] == [
        (name, (), ()) for name in ("blue", "a zebra", "red")
    ]
    assert (episode.image.dtype, episode.image.shape) == (torch.uint8, (3, 40, 60))
    assert np.array_equal(episode.image.permute(1, 2, 0).numpy(), drawn())
    assert isinstance(found, fsbench.Segmentation)
    assert (found.names, found.model) == (("blue", "a zebra", "red"), "channels")
    assert found.shares() == {"blue": 0.25, "a zebra": 0.0, "red": 0.25}
    assert set(np.unique(found.labels)) == {0, 1, 3}
    assert np.array_equal(found.mask("red"), drawn()[..., 0] > 0)
    assert not found.mask("a zebra").any()
    with pytest.raises(KeyError):
        found.mask("green")


def test_of_two_positive_scores_the_larger_is_the_label() -> None:
    pixels = np.full((2, 3, 3), (150, 0, 160), np.uint8)
    assert (fsbench.segment(Channels(), pixels, ["red", "blue"]).labels == 2).all()
    assert (fsbench.segment(Channels(), pixels, ["red"]).labels == 1).all()
    assert (fsbench.segment(MODEL, pixels, ["red"], options={"level": 155}).labels == 0).all()  # type: ignore[dict-item]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_as_the_camera_says(tmp_path: Path, orientation: int) -> None:
    upright = drawn()
    turned = Image.fromarray(upright)
    undone_by = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's number of the turn that undoes the orientation
    if orientation > 1:
        turned = turned.transpose(Image.Transpose(undone_by[orientation]))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    turned.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(fsbench.segment(Channels(), tmp_path / "a.png", ["red"]).image, upright)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # Pillow's
def test_damaged_exif_turns_nothing(tmp_path: Path) -> None:
    for place, exif in enumerate(
        (b"Exif\0\0nonsense", b"Exif\0\0MM\0*\0\0\0\x08\0\x05", b"Exif\0\0II*\0\xff\xff\xff\xff")
    ):
        path = tmp_path / f"{place}.jpg"
        Image.fromarray(drawn()).save(path, exif=exif)
        assert fsbench.segment(Channels(), str(path), ["red"]).labels.shape == (40, 60)


@pytest.mark.parametrize("error", [OSError, SyntaxError, ValueError, struct.error])
def test_exif_that_cannot_be_read_turns_nothing(
    photograph: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    monkeypatch.setattr(Image.Image, "getexif", lambda self: (_ for _ in ()).throw(error("damaged")))
    assert np.array_equal(fsbench.segment(Channels(), photograph, ["red"]).image, drawn())


def photographs() -> dict[str, bytes]:
    """A photograph that lies on its side, as EXIF or XMP says, in the formats that cameras and browsers write."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[0x010F] = "maker"
    exif.get_ifd(0x8769)[0x829A] = (1, 100)
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    kinds: list[tuple[str, dict[str, object]]] = [("JPEG", {"exif": exif.tobytes()}), ("JPEG", {"xmp": xmp})]
    kinds += [(name, {"exif": exif.tobytes()}) for name in ("PNG", "WEBP", "MPO")] + [("TIFF", {"exif": exif})]
    if features.check("avif"):
        kinds.append(("AVIF", {"exif": exif.tobytes()}))
    found = {}
    for name, options in kinds:
        file = io.BytesIO()
        Image.fromarray(drawn(24, 16)).save(file, name, **options)
        found[f"{name} {next(iter(options))}"] = file.getvalue()
    return found


@pytest.mark.filterwarnings("ignore")  # Pillow's, of damage that it reads over
@pytest.mark.parametrize("mutations", [200, pytest.param(10_000, marks=pytest.mark.long)])
def test_damaged_photographs_are_answered_or_refused_in_one_line(tmp_path: Path, mutations: int) -> None:
    model = Channels()

    def target(name: str, data: bytes) -> Target:
        path = tmp_path / name
        path.write_bytes(data)
        assert fsbench.segment(model, path, ["red"]).labels.shape == (16, 24), name
        return Target(name, path, lambda: fsbench.segment(model, path, ["red"]).labels.shape, fresh=True)

    ends = fuzz([target(name, data) for name, data in photographs().items()], mutations)
    assert sum(ends.values()) == mutations


def has(picture: Image.Image, colour: tuple[int, int, int]) -> int:
    return int((np.asarray(picture) == np.array(colour, np.uint8)).all(axis=-1).sum())


def test_the_overlay_shows_classes_names_and_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    monkeypatch.setattr(
        "fsbench.pictures.captions.wrapped", lambda text, *rest: texts.append(text) or wrapped(text, *rest)
    )
    found = fsbench.segment(Channels(), drawn(400, 600), ["red", "green", "blue"])
    picture = found.overlay()
    assert (picture.mode, picture.width) == ("RGB", 600 + 2 * MARGIN)
    assert texts == ["1 red · 25.0 %", "2 green · none", "3 blue · 25.0 %"]
    photograph = picture.crop((MARGIN, MARGIN, MARGIN + 600, MARGIN + 400))
    assert all(has(photograph, colour_of(place)) > 800 for place in (0, 2))  # two pixels around 300 x 200
    assert not has(photograph, colour_of(1))
    legend = picture.crop((0, MARGIN + 400, picture.width, picture.height))
    filled = [has(legend, colour_of(place)) for place in range(3)]
    assert min(filled[0], filled[2]) > 3 * filled[1] > 0  # a class that is nowhere has a frame alone
    texts.clear()
    fsbench.segment(Channels(), drawn(400, 600), ["red"]).overlay()
    assert texts == ["red · 25.0 %"]


@pytest.mark.parametrize(("height", "width"), [(3000, 100), (500, 2600), (1, 1), (1280, 1280)])
def test_the_overlay_has_bounds(height: int, width: int) -> None:
    labels = np.zeros((height, width), np.uint8)
    labels[0, 0] = 2
    names = ("one", "a name of " + "very " * 40 + "many words", "x" * 300)
    picture = Segmentation(np.zeros((height, width, 3), np.uint8), names, labels, "m").overlay()
    assert LEAST_WIDTH <= picture.width <= LONGEST + 2 * MARGIN
    assert picture.height <= LONGEST + 600


def test_the_command(tmp_path: Path, photograph: Path) -> None:
    out, labels = tmp_path / "new" / "o.png", tmp_path / "l.PNG"
    command = ["segment", photograph, "blue", "a zebra", "red", "-m", MODEL, "--out", out, "--labels", labels]
    code, printed, _ = run(*command)
    shares = ["blue     25.0 %", "a zebra    none", "red      25.0 %"]
    assert (code, printed.splitlines()) == (0, ["looking", *shares, f"written: {out}", f"written: {labels}"])
    found = fsbench.segment(MODEL, photograph, ["blue", "a zebra", "red"])
    assert np.array_equal(read_indices(labels), found.labels)
    with Image.open(labels) as image, Image.open(out) as picture:
        palette = np.asarray(image.convert("RGB"))
        assert [tuple(palette[y, x]) for y, x in ((39, 59), (0, 0), (0, 59))] == [colour_of(0), colour_of(2), (0, 0, 0)]
        assert (picture.format, picture.info) == ("PNG", {})
        assert np.array_equal(np.asarray(picture), np.asarray(found.overlay()))
    before = out.read_bytes()
    code, printed, err = run(*command[:-2], "--option", "level=210", "--device", "cpu", "--json")
    assert (code, err) == (0, "looking\n")
    assert json.loads(printed) == {
        "model": "channels",
        "height": 40,
        "width": 60,
        "shares": {"blue": 0.25, "a zebra": 0.0, "red": 0.0},
        "overlay": str(out),
    }
    assert out.read_bytes() != before
    assert not list(tmp_path.rglob("*.tmp"))


def test_refusals_write_nothing(tmp_path: Path, photograph: Path) -> None:
    (tmp_path / "text.jpg").write_text("no photograph")
    (tmp_path / "folder.png").mkdir()
    out = tmp_path / "o.png"
    before = photograph.read_bytes()

    def said(*arguments: object, of: Path = photograph, model: str = MODEL, to: Path = out) -> str:
        return refusal("segment", of, *arguments, "-m", model, "--out", to)

    assert "gone.jpg: is not there: expected a photograph" in said("red", of=tmp_path / "gone.jpg")
    assert "text.jpg: cannot be read" in said("red", of=tmp_path / "text.jpg")
    assert "Missing argument 'names'" in said()
    assert "class 'red' is asked twice" in said("red", "blue", " red")
    assert "got '', expected" in said("")
    assert "255 classes: at most 254" in said(*map(str, range(255)))
    assert "model masked needs support masks" in said("red", model="tests.fsbench.sample_models:Masked")
    assert "holds {fold}: name the checkpoint of one fold" in said("red", model="fusioner:run/fold{fold}")
    assert f"model predictions:{tmp_path}: is not run" in said("red", model=f"predictions:{tmp_path}")
    assert "no model 'nonsense'" in said("red", model="nonsense")
    assert "no option 'size'" in said("red", "--option", "size=3")
    assert "expected key=value" in said("red", "--option", "level")
    assert "--device nonsense" in said("red", "--device", "nonsense")
    assert "photo.png: is the photograph itself" in said("red", to=photograph)
    assert "given for both --out and --labels" in said("red", "--labels", out)
    assert "ends in .png" in said("red", to=tmp_path / "o.jpg")
    assert "ends in .png" in said("red", "--labels", tmp_path / "folder.png")
    assert "text.jpg/below: cannot make this folder" in said("red", to=tmp_path / "text.jpg" / "below" / "o.png")
    assert "Missing option '--out'" in refusal("segment", photograph, "red", "-m", MODEL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.png", "photo.png", "text.jpg"]
    assert photograph.read_bytes() == before


@pytest.mark.parametrize(
    ("model", "image", "names", "message"),
    [
        (Channels(), drawn(), "cat", r"'cat': expected a list of names, \['cat'\]"),
        (Channels(), drawn(), [], "got none"),
        (Masked(), drawn(), ["red"], "needs support masks"),
        *(
            (Channels(), image, ["red"], "image: ")
            for image in (drawn()[..., :2], drawn().astype(np.float32), drawn()[..., 0], drawn()[:0], None)
        ),
        (
            Wrong(lambda episodes: [torch.zeros(1, 4, 4)]),
            drawn(),
            ["red", "blue"],
            r"model wrong: got shape \(1, 4, 4\), expected \(2, height, width\)",
        ),
        (Wrong(lambda episodes: 1 // 0), drawn(), ["red"], r"model wrong, episode 0: .* ZeroDivisionError"),
    ],
)
def test_refusals_in_python(model: Any, image: Any, names: Any, message: str) -> None:
    with pytest.raises(ModelError if isinstance(model, Wrong) else FsbenchError, match=message):
        fsbench.segment(model, image, names)
