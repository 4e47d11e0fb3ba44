"""Pictures from files and folders: every format, orientation, size and colour; what is damaged, hostile or no picture."""

import errno
import io
import os
import re
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from strategies import examples

from minicnn import Adam, Classifier, DataError, Dense, Network, OptionError
from minicnn.data import ImageFolder, picture, read_picture


def encoded(image, kind="PNG", **options):
    """A picture as the bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def gradient(mode="RGB", size=(12, 8)):
    """A picture whose pixels differ, (columns, rows)."""
    columns, rows = size
    numbers = np.arange(columns * rows, dtype=np.uint8).reshape(rows, columns)
    return Image.fromarray(np.stack([numbers, numbers[::-1], 255 - numbers], axis=2)).convert(mode)


@pytest.fixture
def folder(tmp_path):
    """Three classes: red, blue and grey pictures of several kinds."""
    for name, kind in (("red", "png"), ("blue", "bmp"), ("teal", "gif")):
        (tmp_path / name / "deeper").mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (10, 8), name).save(tmp_path / name / f"{number}.{kind}")
        Image.new("RGB", (10, 8), name).save(tmp_path / name / "deeper" / "2.JPEG", quality=95)
    (tmp_path / "red" / "notes.txt").write_text("no picture")
    (tmp_path / "red" / ".hidden.png").write_text("no picture")
    (tmp_path / ".git").mkdir()
    return tmp_path


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1), ("1", 1)])
def test_pixels_are_those_of_the_file(kind, mode, channels):
    image = gradient(mode)
    found = read_picture(encoded(image, kind))
    expected = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    np.testing.assert_array_equal(found, expected[None] if channels == 1 else expected.transpose(2, 0, 1))
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous


def test_the_first_picture_of_a_gif_counts():
    first, second = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    content = encoded(first, "GIF", save_all=True, append_images=[second])
    assert read_picture(content)[:, 0, 0].tolist() == [255, 0, 0]


def test_a_palette_of_greys_has_no_colours():
    grey = gradient("L").quantize(4)
    assert read_picture(encoded(grey)).shape == (1, 8, 12)
    assert read_picture(encoded(gradient().quantize(4))).shape == (3, 8, 12)


def test_what_is_transparent_shows_white():
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    assert read_picture(encoded(image)).transpose(1, 2, 0).tolist() == [[[255, 0, 0], [255, 255, 255]]]


def test_deep_greys_lose_their_lower_bits():
    deep = np.array([[0, 255, 256, 65535]], np.uint16)
    assert read_picture(encoded(Image.fromarray(deep))).tolist() == [[[0, 0, 1, 255]]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_their_orientation_says(tmp_path, orientation):
    image, exif = gradient("L"), Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "a.png").write_bytes(encoded(image, exif=exif))
    upright = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda a: np.rot90(a, -1),
    }
    upright |= {7: lambda a: np.rot90(a, 2).T, 8: np.rot90}
    found = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(found[0], upright[orientation](np.asarray(image)))
    assert picture.look(tmp_path / "a.png") == (found.shape[1:], False)


def test_a_picture_of_another_size_is_cut_padded_or_stretched():
    image = Image.new("L", (40, 20), 100)
    image.paste(200, (10, 0, 30, 20))  # the middle half
    content = encoded(image)
    assert (read_picture(content, (10, 10), fit="crop")[..., 1:-1] == 200).all()  # the outermost blend over the cut
    padded = read_picture(content, (10, 10), fit="pad")[0]
    assert (padded[[0, 9]] == 0).all()
    assert padded[5, 0] == 100
    stretched = read_picture(content, (10, 10), fit="stretch")[0]
    assert stretched[:, [0, 4, 9]].tolist() == [[100, 200, 100]] * 10


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_are_as_wanted(channels):
    assert read_picture(encoded(gradient()), channels=channels).shape == (channels, 8, 12)
    assert read_picture(encoded(gradient("L")), channels=channels).shape == (channels, 8, 12)


def test_a_folder_is_a_class_for_each_subfolder(folder):
    found = ImageFolder(folder)
    assert found.classes == ("blue", "red", "teal")
    assert found.images.shape == (9, 3, 8, 10)
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert found.names.tolist() == ["blue"] * 3 + ["red"] * 3 + ["teal"] * 3
    assert [str(file.relative_to(folder)) for file in found.files[3:6]] == ["red/0.png", "red/1.png", "red/deeper/2.JPEG"]
    assert found.images[3, :, 0, 0].tolist() == [255, 0, 0]
    assert found.skipped == ()
    assert repr(found) == "<ImageFolder (9, 3, 8, 10), classes blue, red, teal, 0 skipped>"


def test_grey_pictures_have_no_channels(folder):
    assert ImageFolder(folder, channels=1).images.shape == (9, 8, 10)


def test_pictures_of_several_sizes_get_that_of_most_or_the_medians(folder):
    Image.new("RGB", (30, 40)).save(folder / "red" / "large.png")
    assert ImageFolder(folder).images.shape == (10, 3, 8, 10)
    assert ImageFolder(folder, size=(6, 5)).images.shape == (10, 3, 6, 5)
    sizes = [(8, 10), (20, 30), (44, 50)]
    assert picture.check_form((8, 10), None, "crop") is None
    for number, (rows, columns) in enumerate(sizes):
        for name in ("a", "b")[: 2 if number else 1]:
            (folder / "several" / name).mkdir(parents=True, exist_ok=True)
            Image.new("L", (columns + (name == "b"), rows)).save(folder / "several" / name / f"{number}.png")
    assert ImageFolder(folder / "several").images.shape == (5, 20, 31)


def test_pixels_may_lie_in_a_file(folder, tmp_path):
    mapped, here = ImageFolder(folder, memory_map=tmp_path / "pixels.npy"), ImageFolder(folder)
    assert isinstance(mapped.images.base, np.memmap) or isinstance(mapped.images, np.memmap)
    np.testing.assert_array_equal(mapped.images, here.images)


def test_a_damaged_picture_is_refused_or_passed_over(folder):
    whole = (folder / "red" / "0.png").read_bytes()
    (folder / "red" / "0.png").write_bytes(whole[:40])
    name = re.escape(str(folder / "red" / "0.png"))
    with pytest.raises(DataError, match=f'^{name}: expected .*, got .*; leave it out, or pass over such with corrupt="skip"$'):
        ImageFolder(folder)
    found = ImageFolder(folder, corrupt="skip")
    assert len(found.images) == len(found.labels) == len(found.files) == 8
    assert [re.fullmatch(f"{name}: expected .*, got .*", said) is not None for said in found.skipped] == [True]
    sized = ImageFolder(folder, size=(8, 10), channels=3, corrupt="skip")
    np.testing.assert_array_equal(sized.images, found.images)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda f: f / "nowhere", "expected a folder, got no such file or directory"),
        (
            lambda f: f / "red",
            "expected two subfolders of pictures or more, one for each class, got 1 of them, and 2 in none",
        ),
        (
            lambda f: f / "red" / "deeper",
            "expected two subfolders of pictures or more, one for each class, got 0 of them, and 1 in none",
        ),
    ],
)
def test_what_is_no_folder_of_classes_is_refused(folder, make, words):
    hint = "give a folder with a subfolder of pictures for each class"
    with pytest.raises(DataError, match=f"^{re.escape(f'{make(folder)}: {words}; {hint}')}$"):
        ImageFolder(make(folder))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 32}, "pictures: expected size as rows and columns, each from 1 to 8192, got 32; give size=(48, 48)"),
        ({"size": (0, 4)}, "pictures: expected size as rows and columns, each from 1 to 8192, got (0, 4); give size=(48, 48)"),
        ({"channels": 2}, "pictures: expected channels as 1, for grey, or 3, for colours, got 2; give channels=3"),
        ({"fit": "cut"}, "pictures: expected fit as one of crop, pad, stretch, got 'cut'; give fit=\"crop\""),
        ({"corrupt": "no"}, "pictures: expected corrupt as one of refuse, skip, got 'no'; give corrupt=\"skip\""),
    ],
)
def test_options_that_are_none_are_refused(folder, options, words):
    with pytest.raises(OptionError, match=f"^{re.escape(words)}$"):
        ImageFolder(folder, **options)


def test_a_class_without_a_picture_that_can_be_read_is_refused(folder):
    for file in (folder / "teal").rglob("*.*"):
        if file.is_file():
            file.write_bytes(b"GIF89a")
    what = "expected pictures that can be read in every class, got none in teal"
    words = f"{folder}: {what}; look at its files, or remove the subfolder"
    with pytest.raises(DataError, match=f"^{re.escape(words)}$"):
        ImageFolder(folder, corrupt="skip")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "expected a picture as PNG, JPEG, BMP, GIF, got something else"),
        (b"text", "expected a picture as PNG, JPEG, BMP, GIF, got something else"),
        (encoded(gradient(), "TIFF"), "expected a picture as PNG, JPEG, BMP, GIF, got something else"),
        (encoded(gradient())[:50], "expected an intact picture, got a damaged one"),
    ],
)
def test_what_is_no_picture_is_refused(content, words):
    with pytest.raises(DataError, match=f"^picture: {words}.*; save it again as PNG or JPEG, or leave it out$"):
        read_picture(content)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded():
    head = bytearray(encoded(Image.new("L", (1, 1))))
    head[16:24] = struct.pack(">II", 40_000, 40_000)
    head[29:33] = struct.pack(">I", zlib.crc32(head[12:29]))
    with pytest.raises(DataError, match=r"^picture: expected a picture of at most 67,108,864 pixels, got .*; make it smaller$"):
        read_picture(bytes(head))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(
        DataError,
        match=r"a\.png: expected a picture that can be read, got no such file or directory; check it and its permissions$",
    ):
        read_picture(tmp_path / "a.png")
    with pytest.raises(DataError, match="expected a picture that can be read, got a directory"):
        read_picture(tmp_path)


def test_a_file_of_pixels_that_cannot_be_written_is_named(folder, tmp_path):
    where = tmp_path / "nowhere" / "pixels.npy"
    what = "expected a file that can be written, got no such file or directory"
    words = f"{where}: {what}; name a file in a folder with room for the pixels"
    with pytest.raises(DataError, match=f"^{re.escape(words)}$"):
        ImageFolder(folder, memory_map=where)


WHOLE = [encoded(gradient(), kind) for kind in ("PNG", "JPEG", "BMP", "GIF")] + [
    encoded(gradient("P")),
    encoded(gradient("LA")),
]


@examples(300)
@given(data=st.data())
def test_changed_files_are_read_or_refused_in_a_sentence(data):
    content = bytearray(data.draw(st.sampled_from(WHOLE)))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = bytes(content[: data.draw(st.integers(1, len(content)))])
    said = ""
    try:
        found = read_picture(content, (8, 8))
    except DataError as error:
        said = str(error)
    if said:
        assert re.fullmatch(r"picture: expected .*, got .*; .*", said, re.DOTALL)
    else:
        assert found.dtype == np.uint8
        assert found.shape in ((1, 8, 8), (3, 8, 8))


def test_pillow_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(DataError, match=r"^picture: expected the package Pillow, got none installed; run pip install Pillow$"):
        read_picture(b"any")


def test_a_classifier_learns_a_folder(folder):
    found = ImageFolder(folder, size=(4, 4))
    net = Network([("F1", Dense(3))], in_shape=(3, 4, 4), threads=1)
    classifier = Classifier(net, optimizer=Adam(0.1), classes=found.classes)
    classifier.fit(found.images, found.labels, validation=(found.images, found.labels), epochs=20, log=None)
    assert classifier.predict(found.images).tolist() == found.names.tolist()


def test_a_mapped_file_that_is_made_anew_leaves_who_reads_the_older_one_alone(folder, tmp_path):
    where = tmp_path / "pixels.npy"
    older = ImageFolder(folder, memory_map=where)
    before = older.images.copy()
    ImageFolder(folder, size=(2, 2), channels=1, memory_map=where)
    assert np.array_equal(older.images, before)
    assert [path.name for path in tmp_path.iterdir() if "pixels" in path.name] == ["pixels.npy"]


def test_no_room_for_a_mapped_file_is_said_before_it_is_written(folder, tmp_path, monkeypatch):
    def full(*given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    words = "expected a file that can be written, got no space left on device; name a file in a folder with room for the pixels"
    with pytest.raises(DataError, match=words):
        ImageFolder(folder, memory_map=tmp_path / "pixels.npy")
    assert not [path for path in tmp_path.iterdir() if "pixels" in path.name]


def test_a_class_of_files_that_are_no_pictures_is_refused_or_passed_over_by_name(folder):
    (folder / "green" / "more").mkdir(parents=True)
    (folder / "empty").mkdir()
    for number in range(3):
        (folder / "green" / "more" / f"{number}.webp").write_bytes(b"x")
    endings = ".png, .jpg, .jpeg, .bmp, .gif"
    what = f"{folder / 'green'}: expected pictures, which end in {endings}, in every subfolder, got other files"
    with pytest.raises(
        DataError, match=rf'^{re.escape(what)} such as \d.webp; leave it out, or pass over such with corrupt="skip"$'
    ):
        ImageFolder(folder)
    found = ImageFolder(folder, corrupt="skip")
    assert "green" not in found.classes
    assert "empty" not in found.classes
    assert [words[: len(what)] for words in found.skipped] == [what]
