"""Image files of every kind become upright RGB; damaged and hostile ones are refused by name."""

import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from apparel import images
from apparel.errors import UserError
from tests.support import photo_files

# As apparel.images has it; pytest sets the filters back before each test.
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin"),
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
]


def shows_garment(photo, colour, tolerance):
    """Whether all pixels in the box have the garment's colour and all others are white, but for a seam."""
    pixels = np.asarray(photo).astype(int)
    xmin, ymin, xmax, ymax = photo_files.BOX
    inside = pixels[ymin + 4 : ymax - 4, xmin + 4 : xmax - 4]
    outside = pixels.copy()
    outside[ymin - 8 : ymax + 8, max(xmin - 8, 0) : xmax + 8] = 255
    return np.abs(inside - colour).max() <= tolerance and outside.min() >= 255 - tolerance


@pytest.mark.parametrize("name", photo_files.IN_COLOUR)
def test_every_kind_of_photo_becomes_upright_rgb(tmp_path, name):
    photo_files.IN_COLOUR[name](tmp_path / name)
    photo = images.read(tmp_path / name)
    assert (photo.mode, photo.size) == ("RGB", photo_files.SIZE)
    assert shows_garment(photo, photo_files.RED, tolerance=30)


@pytest.mark.parametrize("name", photo_files.IN_GREY)
def test_grey_photos_become_rgb(tmp_path, name):
    photo_files.IN_GREY[name](tmp_path / name)
    photo = images.read(tmp_path / name)
    assert (photo.mode, photo.size) == ("RGB", photo_files.SIZE)
    assert shows_garment(photo, 3 * (photo_files.GREY_OF_RED,), tolerance=2)


def test_black_and_white_stays_black_and_white(tmp_path):
    Image.new("1", (9, 7), 1).save(tmp_path / "a.png")
    assert images.read(tmp_path / "a.png").getcolors() == [(63, (255, 255, 255))]


def test_one_transparent_palette_colour_becomes_white(tmp_path):
    photo = Image.new("P", (8, 8), 0)
    photo.putpalette([10, 20, 30, 200, 30, 40])
    photo.putpixel((3, 3), 1)
    photo.save(tmp_path / "a.gif", transparency=0)
    read = images.read(tmp_path / "a.gif")
    assert (read.getpixel((0, 0)), read.getpixel((3, 3))) == (photo_files.WHITE, photo_files.RED)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_the_header_agrees_with_the_pixels(tmp_path, orientation, suffix):
    path = tmp_path / f"a{suffix}"
    photo_files.save_turned(path, orientation)
    header = images.read_header(path)
    stored = photo_files.SIZE if orientation < 5 else photo_files.SIZE[::-1]
    assert (header.width, header.height, header.orientation) == (*stored, orientation)
    assert (header.upright_width, header.upright_height) == images.read(path).size == photo_files.SIZE
    with Image.open(path) as image:
        assert ImageOps.exif_transpose(image).convert("RGB").tobytes() == images.read(path).tobytes()


@pytest.mark.parametrize("orientation", [0, 9, 65535])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_an_invalid_orientation_is_ignored(tmp_path, orientation, suffix):
    path = tmp_path / f"a{suffix}"
    photo_files.save_turned(path, orientation)
    assert images.read_header(path).orientation == 1
    assert images.read(path).size == photo_files.SIZE


@pytest.mark.parametrize(
    ("kind", "count", "value"),
    [(2, 2, b"6"), (3, 0, b"\6\0"), (5, 1, b"\xff\xff"), (7, 1, b"\6"), (99, 1, b"\6")],
)
def test_an_orientation_of_another_type_is_ignored(tmp_path, kind, count, value):
    photo_files.garment().save(tmp_path / "a.jpg", exif=photo_files.orientation_block(kind, count, value))
    assert images.read_header(tmp_path / "a.jpg").orientation == 1
    assert images.read(tmp_path / "a.jpg").size == photo_files.SIZE


def test_the_orientation_blocks_above_are_wrong_in_their_types_only(tmp_path):
    photo_files.garment().save(tmp_path / "a.jpg", exif=photo_files.orientation_block(3, 1, b"\6\0"))
    assert images.read_header(tmp_path / "a.jpg").orientation == 6


@given(exif=st.binary(max_size=80))
def test_damaged_exif_does_not_cost_the_photo(tmp_path_factory, exif):
    path = tmp_path_factory.mktemp("photo") / "a.jpg"
    photo_files.garment().save(path, exif=b"Exif\x00\x00" + exif)
    header = images.read_header(path)
    assert images.read(path).size == (header.upright_width, header.upright_height)


def test_a_turned_photo_is_not_turned_twice(tmp_path):
    photo_files.save_turned(tmp_path / "a.jpg", 6)
    images.read(tmp_path / "a.jpg").save(tmp_path / "b.jpg")
    assert images.read_header(tmp_path / "b.jpg").orientation == 1


def test_orientation_in_xmp_alone_is_not_followed_as_viewers_do_not(tmp_path):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    for name in ("a.jpg", "a.tif", "a.webp"):
        photo_files.garment().save(tmp_path / name, **({"tiffinfo": {700: xmp}} if name == "a.tif" else {"xmp": xmp}))
        with Image.open(tmp_path / name) as image:
            assert ImageOps.exif_transpose(image).size == photo_files.SIZE[::-1]  # Pillow would follow it
        assert images.read_header(tmp_path / name).orientation == 1
        assert images.read(tmp_path / name).size == photo_files.SIZE


@pytest.mark.parametrize("name", ["plain.jpg", "progressive.jpg", "plain.png", "plain.bmp", "plain.webp", "moving.gif"])
def test_a_truncated_photo_is_refused_by_name_or_was_whole(tmp_path, name):
    path = tmp_path / name
    photo_files.IN_COLOUR[name](path)
    whole, data = images.read(path), path.read_bytes()
    for length in range(0, len(data), max(1, len(data) // 60)):
        path.write_bytes(data[:length])
        try:
            assert images.read(path).tobytes() == whole.tobytes()
        except UserError as error:
            assert str(path) in str(error)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match=name):
        images.read(path)


@given(data=st.data())
def test_flipped_bytes_end_in_a_photo_or_a_clear_error(tmp_path_factory, data):
    name = data.draw(st.sampled_from(sorted(photo_files.IN_COLOUR | photo_files.IN_GREY)))
    path = tmp_path_factory.mktemp("photo") / name
    (photo_files.IN_COLOUR | photo_files.IN_GREY)[name](path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, min(len(content), 400) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    for read in (images.read_header, images.read):
        try:
            read(path)
        except UserError as error:
            assert str(path) in str(error)


def png_header(width, height):
    """The first bytes of a PNG of this size, with nothing behind them."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize("height", [1_800, 50_000])
def test_a_bomb_is_refused_from_its_header(tmp_path, height):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(50_000, height) + struct.pack(">I", 0) + b"IDAT" + bytes(4))
    for read in (images.read_header, images.read):
        with (
            warnings.catch_warnings(),
            pytest.raises(UserError, match=r"bomb\.png.*50000.*89,478,485|bomb\.png.*limit"),
        ):
            warnings.simplefilter("error")
            read(path)


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(images.MAX_BYTES + 1)  # a hole: takes no room on the disk
    with pytest.raises(UserError, match=r"huge\.jpg has 357,913,941 bytes"):
        images.read(path)


@pytest.mark.parametrize(
    "content", [b"", b"hello, I am text\n" * 40, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"]
)
def test_a_file_that_is_not_a_photo_is_refused_whatever_its_name(tmp_path, content):
    path = tmp_path / "text.jpg"
    path.write_bytes(content)
    for read in (images.read_header, images.read):
        with pytest.raises(UserError, match=r"text\.jpg is not a JPEG, PNG"):
            read(path)


def test_a_format_that_is_not_expected_is_refused(tmp_path):
    photo_files.garment().save(tmp_path / "a.jpg", "ICO")
    with pytest.raises(UserError, match=r"a\.jpg is not a JPEG"):
        images.read(tmp_path / "a.jpg")


@pytest.mark.parametrize("mode", ["I", "F", "LAB"])
def test_pixels_without_a_standard_conversion_to_rgb_are_refused(tmp_path, mode):
    Image.new(mode, (4, 4)).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match=rf"a\.tif: pixels of mode {mode}"):
        images.read_header(tmp_path / "a.tif")


def test_missing_photos_and_folders_are_named(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(UserError, match=r"gone\.jpg is missing"):
        images.read(tmp_path / "gone.jpg")
    with pytest.raises(UserError, match=r"folder\.jpg is not a file"):
        images.read_header(tmp_path / "folder.jpg")


@pytest.mark.parametrize("name", ["plain.jpg", "plain.tif", "moving.gif", "two-in-one.jpg"])
def test_no_file_is_left_open(tmp_path, name):
    path = tmp_path / name
    photo_files.IN_COLOUR[name](path)
    damaged = tmp_path / f"damaged-{name}"
    damaged.write_bytes(path.read_bytes()[:60])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        for file in (path, damaged):
            for read in (images.read_header, images.read):
                try:
                    read(file)
                except UserError:
                    assert file == damaged
    open_files = [link.resolve().name for link in _open_files()]
    assert name not in open_files and damaged.name not in open_files


def _open_files():
    from pathlib import Path

    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("needs /proc")
    return list(folder.iterdir())


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("as_bytes", [False, True], ids=["EXIF alone", "with HEIF's own transformation"])
def test_photos_of_phones_are_upright_where_they_are_asked_for(tmp_path, kind, orientation, as_bytes):
    images._register_heif()
    photo = photo_files.garment()
    photo = photo.transpose(photo_files.AS_STORED[orientation]) if orientation > 1 else photo
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo.save(tmp_path / "photo", kind, exif=exif.tobytes() if as_bytes else exif, quality=95)
    data = (tmp_path / "photo").read_bytes()
    decoded = images.decode(data, tmp_path / "photo", images.PHONE_FORMATS)
    assert decoded.size == photo_files.SIZE
    assert shows_garment(decoded, photo_files.RED, tolerance=40)
    with pytest.raises(UserError, match="is not a JPEG"):
        images.decode(data, tmp_path / "photo")
    with pytest.raises(UserError):
        images.decode(data[: len(data) // 2], tmp_path / "photo", images.PHONE_FORMATS)
