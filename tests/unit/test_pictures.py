"""Uploaded pictures: what is read, what is refused, and that nothing in a file does harm."""

from __future__ import annotations

import io
import random
import struct
import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from fabula.errors import InvalidRequest
from fabula.pictures import KEPT_PIXELS, MAX_FILE_BYTES, MAX_PIXELS, MAX_SIDE, CleanPicture, clean

SIZE = (60, 40)


def drawn(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    """Return a picture that compresses badly enough to have a body."""
    chance = random.Random(1)
    image = Image.frombytes("RGB", size, chance.randbytes(3 * size[0] * size[1]))
    return image.convert(mode)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    """Return a picture's file."""
    output = io.BytesIO()
    image.save(output, form, **options)
    return output.getvalue()


def opened(picture: CleanPicture) -> Image.Image:
    """Return what a clean picture shows, having checked that it is clean."""
    image = Image.open(io.BytesIO(picture.data))
    image.load()
    assert ("PNG", "RGB", {}) == (image.format, image.mode, image.info)
    assert (picture.width, picture.height) == image.size
    return image


FILES = {
    "png": saved(drawn(), "PNG"),
    "palette": saved(drawn("P"), "PNG", transparency=3),
    "grey": saved(drawn("L"), "PNG"),
    "alpha": saved(drawn("RGBA"), "PNG"),
    "jpeg": saved(drawn(), "JPEG"),
    "progressive": saved(drawn(), "JPEG", progressive=True),
    "cmyk": saved(drawn("CMYK"), "JPEG"),
    "webp": saved(drawn(), "WEBP"),
    "lossless": saved(drawn("RGBA"), "WEBP", lossless=True),
    "gif": saved(drawn("P"), "GIF"),
    "animated gif": saved(drawn("P"), "GIF", save_all=True, append_images=[drawn("P")] * 3),
    "animated webp": saved(drawn(), "WEBP", save_all=True, append_images=[drawn()] * 3),
    "16 bit": saved(Image.new("I;16", SIZE, 40_000), "PNG"),
    "bilevel": saved(drawn("1"), "PNG"),
}


@pytest.mark.parametrize("name", FILES)
def test_every_known_kind_is_read(name: str) -> None:
    """PNG, JPEG, WebP and GIF in all their modes; of animations the first frame."""
    assert SIZE == opened(clean(FILES[name])).size


def test_colours_are_kept() -> None:
    """Bit for bit, where the file keeps them."""
    assert drawn().tobytes() == opened(clean(FILES["png"])).tobytes()


def test_sixteen_bits_become_eight() -> None:
    """And not white."""
    assert (156, 156, 156) == opened(clean(FILES["16 bit"])).getpixel((0, 0))


def test_alpha_is_flattened_on_white() -> None:
    """What cannot be seen is white."""
    image = Image.new("RGBA", SIZE, (255, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 255, 255))
    image.putpixel((2, 0), (0, 0, 0, 128))
    flat = opened(clean(saved(image, "PNG")))

    assert [(255, 255, 255), (0, 0, 255), (127, 127, 127)] == [flat.getpixel((x, 0)) for x in range(3)]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_picture_is_turned_upright(orientation: int) -> None:
    """As a camera says that it was held; the note itself is gone."""
    image = Image.new("RGB", SIZE, "black")
    image.paste("white", (0, 0, 30, 20))
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = opened(clean(saved(image, "PNG", exif=exif.tobytes())))
    corner = {1: (0, 0), 2: (1, 0), 3: (1, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}[orientation]

    assert (SIZE if orientation < 5 else SIZE[::-1]) == found.size
    x, y = (found.width - 1) * corner[0], (found.height - 1) * corner[1]
    assert (255, 255, 255) == found.getpixel((x, y))


def test_metadata_are_stripped() -> None:
    """Where it was taken, by whom, with what profile: none of it is kept."""
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Author", "Ida", zip=True)
    exif = Image.Exif()
    exif[0x010E] = "at home, 52.5 N"
    data = clean(saved(drawn(), "PNG", pnginfo=notes, exif=exif.tobytes(), icc_profile=b"profile" * 20)).data

    for secret in (b"Ida", b"at home", b"profile", b"eXIf", b"iCCP", b"tEXt", b"zTXt"):
        assert secret not in data


def test_file_is_known_by_what_it_is() -> None:
    """Whatever its name says; other formats that the library knows are not read."""
    for form in ("BMP", "TIFF", "PPM", "ICO", "TGA", "PDF"):
        with pytest.raises(InvalidRequest, match="PNG, JPEG, WebP or GIF"):
            clean(saved(drawn(), form))
    for data in (b"", b"%PDF-1.7", b"<svg xmlns='http://www.w3.org/2000/svg'/>", bytes(1000)):
        with pytest.raises(InvalidRequest, match="PNG, JPEG, WebP or GIF"):
            clean(data)


@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "gif"])
def test_file_that_was_cut_off_is_refused(name: str) -> None:
    """Half a picture is not taken for a whole one."""
    data = FILES[name]
    with pytest.raises(InvalidRequest, match=r"upload it again|PNG, JPEG, WebP or GIF"):
        clean(data[: len(data) // 2])


def _bomb(width: int, height: int) -> bytes:
    """Return a PNG that unfolds to one colour, however large."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = bytes(1 + min(width, 2**17) // 8)  # a decoder that came so far would have unfolded too much already
    body = b"".join([*(packer.compress(row) for _ in range(min(height, 4000))), packer.flush()])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "size", [(MAX_SIDE, MAX_PIXELS // MAX_SIDE + 1), (100_000, 100_000), (MAX_SIDE + 1, 1), (2**31 - 1, 2**31 - 1)]
)
def test_bomb_is_refused_by_its_header(size: tuple[int, int]) -> None:
    """Its pixels are never unfolded."""
    with pytest.raises(InvalidRequest, match="too many pixels: make it smaller"):
        clean(_bomb(*size))


def test_large_file_is_refused_unread() -> None:
    """Whatever it holds."""
    with pytest.raises(InvalidRequest, match=str(MAX_FILE_BYTES)):
        clean(bytes(MAX_FILE_BYTES + 1))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_large_picture_is_made_smaller(form: str) -> None:
    """No model takes more; its proportions stay."""
    picture = clean(saved(Image.new("RGB", (4000, 2000), "teal"), form))

    assert picture.width * picture.height <= KEPT_PIXELS
    assert 0.95 * KEPT_PIXELS < picture.width * picture.height
    assert abs(picture.width / picture.height - 2) < 0.01


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(sorted(FILES)),
    st.lists(
        st.tuples(
            st.sampled_from(["flip", "cut", "drop", "insert", "zero"]),
            st.floats(0, 1),
            st.integers(1, 64),
            st.binary(max_size=8),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_damaged_file_is_read_or_refused(name: str, damages: list[tuple[str, float, int, bytes]]) -> None:
    """Never anything else: no other error, no picture beyond the bounds."""
    data = bytearray(FILES[name])
    for kind, where, length, other in damages:
        at = int(where * len(data))
        match kind:
            case "flip":
                data[at : at + 1] = bytes(byte ^ (length & 0xFF) for byte in data[at : at + 1])
            case "cut":
                del data[at:]
            case "drop":
                del data[at : at + length]
            case "insert":
                data[at:at] = other
            case _:
                data[at : at + length] = bytes(len(data[at : at + length]))
    with suppress(InvalidRequest):
        image = opened(clean(bytes(data)))
        assert image.width * image.height <= KEPT_PIXELS
