import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import ORIENTATION, file_of, picture
from PIL import Image

from alexnet.data import inputs
from alexnet.data.images import load_photograph
from alexnet.data.inputs import is_one, named, read_image
from alexnet.data.preparation import Preparation
from alexnet.errors import ConfigError, ImageError

PIXELS = picture(300, 280)
SQUASHED = Preparation(resize="squash", interpolation="bilinear")


def test_an_image_is_the_same_in_every_form(tmp_path: Path) -> None:
    content = file_of(PIXELS)
    (tmp_path / "it.png").write_bytes(content)
    expected = load_photograph(content, "it.png", SQUASHED)
    with open(tmp_path / "it.png", "rb") as file:
        forms = [
            tmp_path / "it.png",
            str(tmp_path / "it.png"),
            content,
            bytearray(content),
            memoryview(content),
            file,
            io.BytesIO(content),
            Image.open(io.BytesIO(content)),
            PIXELS,
            PIXELS.transpose(1, 0, 2).copy().transpose(1, 0, 2),  # not contiguous
        ]
        for form in forms:
            assert is_one(form)
            found = read_image(form, SQUASHED)
            np.testing.assert_array_equal(found.pixels, expected.pixels)
            assert (found.size, found.treatments, found.orientation) == ((280, 300), (), 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 3, 5, 6])
def test_a_pillow_image_is_turned_as_its_file_is(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    content = file_of(PIXELS, kind, exif=exif)
    expected, found = load_photograph(content), read_image(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    assert (found.treatments, found.size, found.orientation) == (
        expected.treatments,
        expected.size,
        expected.orientation,
    )
    assert found.orientation == orientation


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "I;16"])
def test_a_pillow_image_of_any_mode_is_treated_as_its_file_is(mode: str) -> None:
    image = Image.fromarray(PIXELS).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 200)
    content = file_of(image, "TIFF")
    expected, found = load_photograph(content), read_image(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    assert found.treatments == expected.treatments


def test_a_pillow_image_stays_as_it_is_and_shows_the_frame_that_it_stands_at() -> None:
    frames = [Image.new("RGB", (260, 260), colour) for colour in ("red", "blue")]
    content = file_of(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    image = Image.open(io.BytesIO(content))
    assert read_image(image).pixels[0, 0].tolist() == [255, 0, 0]
    image.seek(1)
    found = read_image(image)
    assert found.pixels[0, 0].tolist() == [0, 0, 255] and found.treatments == ("number 2 of several frames",)
    assert image.tell() == 1 and image.mode == "RGB" and image.size == (260, 260)


def test_a_damaged_pillow_image_is_refused() -> None:
    image = Image.open(io.BytesIO(file_of(PIXELS, "JPEG")[:-900]))
    with pytest.raises(ImageError, match="it is damaged"):
        read_image(image)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (PIXELS / np.float32(255), "not float32; of numbers from 0 to 1, (255 * x).round().astype(np.uint8)"),
        (PIXELS.astype(np.int64), "uint8, from 0 to 255, not int64."),
        (PIXELS.transpose(2, 0, 1), "shape (3, 300, 280); x.transpose(1, 2, 0) puts the colours last."),
        (PIXELS[..., 0], "shape (300, 280); Image.fromarray(x) of Pillow"),
        (PIXELS[..., :1], "shape (300, 280, 1); Image.fromarray(x) of Pillow"),
        (PIXELS[:0], "shape (0, 280, 3)."),
        (torch.zeros(3, 4, 4), "not torch.Tensor."),
        (None, "not None."),
        (7, "not int."),
        (io.StringIO("text"), "was opened as text; open an image's file in binary"),
    ],
)
def test_what_is_no_image_is_told_what_one_is(wrong: object, sentence: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        read_image(wrong)  # type: ignore[arg-type]


def test_a_file_that_cannot_be_read_is_an_image_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be read: No such file or directory"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(ImageError, match="cannot be read: Is a directory"):
        read_image(tmp_path)
    (tmp_path / "endless.jpg").symlink_to("/dev/zero")
    with pytest.raises(ImageError, match="it is no regular file"):
        read_image(tmp_path / "endless.jpg")


class Endless:
    """What reads like a file that never ends; `step` bytes at a time, as a pipe does."""

    step, taken = 100_000, 0

    def read(self, size: int = -1, /) -> bytes:
        assert 0 < size < 100_000_000, "all of it is asked for"
        self.taken += min(size, self.step)
        return bytes(min(size, self.step))


def test_what_comes_in_without_end_is_read_no_further_than_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MAX_BYTES", 5_000_000)
    endless = Endless()
    with pytest.raises(ImageError, match=r"^it has more than the 5,000,000 bytes that are read$"):
        read_image(endless)
    assert endless.taken <= 5_100_000


def test_what_comes_in_pieces_is_read_to_its_end() -> None:
    class Pieces(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 1000))

    content = file_of(PIXELS)
    np.testing.assert_array_equal(read_image(Pieces(content)).pixels, read_image(content).pixels)


def test_several_images_have_the_names_of_their_files_or_numbers(tmp_path: Path) -> None:
    (tmp_path / "it.png").write_bytes(file_of(PIXELS))
    with open(tmp_path / "it.png", "rb") as file, Image.open(tmp_path / "it.png") as image:
        images = ["a.png", Path("b.png"), b"", PIXELS, image, file]
        names = [name for name, _ in named(images)]
    path = str(tmp_path / "it.png")
    assert names == ["a.png", "b.png", "[2]", "[3]", path, path]
    assert [name for name, _ in named("a.png")] == ["a.png"]
    assert [name for name, _ in named(PIXELS)] == [""]
    assert [name for name, _ in named(np.stack([PIXELS, PIXELS]))] == ["[0]", "[1]"]
    assert [name for name, _ in named(np.array(["a.png", "b.png"]))] == ["a.png", "b.png"]
    with pytest.raises(ConfigError, match="or several of these, not int"):
        named(7)  # type: ignore[arg-type]
