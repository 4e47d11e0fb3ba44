"""Pictures: PNG from chunks that are chosen, JPEG, GIF and BMP with damage; read alike twice, of the size that was seen."""

import io
import random
import struct
import zlib
from functools import cache

import numpy as np
from damaged import damaged
from PIL import Image

from fuzz.drawn import Drawn
from fuzz.judged import refused
from minicnn.data.picture import FITS, look, read_picture
from minicnn.errors import DataError

INPUTS, QUICK = 20_000, 400
LONGEST, MOST_BYTES, SECONDS = 2048, 256 << 20, 5
READS = ("minicnn.data", "PIL.PngImagePlugin", "PIL.GifImagePlugin", "PIL.BmpImagePlugin", "PIL.JpegImagePlugin")

RAW, CHUNKS, DAMAGED = range(3)
"""An input's first byte, modulo 3: its other bytes are the file, choose the chunks of a PNG, or damage a picture."""

SIZES = (1, 2, 3, 8, 17, 0, 100, 300, 2**13, 2**16, 2**31 - 1, 2**32 - 1)
KINDS = (
    b"PLTE",
    b"tRNS",
    b"eXIf",
    b"gAMA",
    b"iCCP",
    b"tEXt",
    b"zTXt",
    b"iTXt",
    b"acTL",
    b"fcTL",
    b"sRGB",
    b"pHYs",
    b"bKGD",
    b"IDAT",
)
ORIENTED = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0%c\0\0\0\0\0\0\0"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(drawn):
    """A PNG whose checksums are right and whose chunks are chosen."""
    wide, tall, depth = (
        drawn.choice(SIZES[:5] * 3 + SIZES),
        drawn.choice(SIZES[:5] * 3 + SIZES),
        drawn.choice((8, 8, 1, 2, 4, 16, 3)),
    )
    colour, interlaced = drawn.choice((2, 0, 3, 4, 6, 1)), drawn.choice((0, 0, 0, 1, 2))
    found = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">IIBBBBB", wide, tall, depth, colour, 0, 0, interlaced))]
    for _ in range(drawn.randrange(4)):
        kind = drawn.choice(KINDS)
        content = drawn.choice((
            bytes(drawn.randrange(1025)), bytes(range(3 * drawn.randrange(80))), ORIENTED % drawn.randrange(10),
            b"x\0\0" + zlib.compress(bytes(drawn.randrange(65536))), random.Random(drawn.randrange(256)).randbytes(40),
        ))  # fmt: skip
        found.append(chunk(kind, content))
    row = 1 + (wide * depth * CHANNELS.get(colour, 3) + 7) // 8
    rows = min(row * tall, 1 << 16)
    numbers = random.Random(drawn.randrange(256)).randbytes(256) * (rows // 256 + 1)
    data = bytearray(numbers[:rows])
    if 0 < row < 1 << 16:
        data[::row] = bytes(n % drawn.choice((5, 1, 6)) for n in data[::row])
    packed = zlib.compress(bytes(data), 1)
    packed = packed[: len(packed) - drawn.choice((0, 0, 0, 1, 5))]
    cut = drawn.randrange(len(packed))
    found += [chunk(b"IDAT", packed[:cut]), chunk(b"IDAT", packed[cut:]), chunk(b"IEND", b"")]
    return b"".join(found[: len(found) - drawn.choice((0, 0, 0, 1))])


@cache
def pictures():
    """Good pictures of every kind."""
    colours = Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 7, 3), dtype=np.uint8))
    forms = {"PNG": {}, "GIF": {}, "BMP": {}, "JPEG": {}}
    found = []
    for kind, options in forms.items():
        for mode in ("RGB", "L", "P", "1", "RGBA", "LA", "I;16", "CMYK"):
            file = io.BytesIO()
            try:
                colours.convert(mode).save(file, kind, **options)
            except (OSError, ValueError):
                continue
            found.append(file.getvalue())
    for kind, options in {
        "JPEG": {"progressive": True, "exif": b"Exif\0\0" + ORIENTED % 6},
        "GIF": {"interlace": 1, "transparency": 3},
    }.items():
        file = io.BytesIO()
        colours.convert("P" if kind == "GIF" else "RGB").save(file, kind, **options)
        found.append(file.getvalue())
    return found


def seeds():
    chosen = [
        bytes([CHUNKS]) + bytes([0, n, 0, k, 0, 0, 0, c, 0, 0, 0, 0]) for n in range(4) for k in range(3) for c in range(5)
    ]
    return [
        *(bytes([RAW]) + each for each in pictures() if len(each) < LONGEST),
        *chosen,
        *(bytes([DAMAGED, 0, n, 1, n]) for n in range(20)),
    ]


def file_of(data):
    """The file that an input is."""
    way, drawn = data[0] % 3 if data else RAW, Drawn(data[1:])
    if way == RAW:
        return data[1:]
    if way == CHUNKS:
        return png(drawn)
    content = bytearray(drawn.choice(pictures()))
    if drawn.randrange(4) == 0:
        return damaged(content, random.Random(drawn.randrange(65536)))
    for _ in range(drawn.randint(1, 4)):  # mostly the front, where sizes and tables are
        at = drawn.randrange(min(len(content), drawn.choice((64, 256, 4096))))
        content[at] = drawn.choice((0, 1, 255, 127, 128, content[at] ^ 1 << drawn.randrange(8)))
    return bytes(content)


def check(data):
    content = file_of(data)
    try:
        size, _ = look(content)
    except DataError as error:
        refused(error)
        try:
            read_picture(content)
        except DataError as other:
            return refused(other)
        raise AssertionError(f"expected {error} of reading, too") from None
    try:
        found = read_picture(content)
    except DataError as error:
        return refused(error)
    assert found.dtype == np.uint8
    assert found.shape[1:] == size, f"expected {size}, as was seen, got {found.shape}"
    assert found.shape[0] in (1, 3)
    assert read_picture(content).tobytes() == found.tobytes()
    for channels, fit in zip((1, 3, 1), FITS, strict=True):
        fitted = read_picture(content, (5, 4), channels, fit)
        assert fitted.shape == (channels, 5, 4)
    return True
