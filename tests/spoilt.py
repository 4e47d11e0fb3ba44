"""Model files with changes in their bytes, their header or their document."""

import copy
import json
import os
import struct

import numpy as np

import minicnn as m


class File:
    """A good file, to be spoilt."""

    def __init__(self, path, net=None, model=None):
        self.path = os.fspath(path)
        if net is None:
            items = [
                ("C", m.Conv2d(2, 3, padding=((0, 1), (1, 0)), init=m.FanInUniform(2.0))),
                ("up", m.Upsample(2, mode="bilinear")),
                ("pool", m.AvgPool2d(2)),
                ("sum", m.Add(), ("C", "pool")),
                ("norm", m.BatchNorm2d()),
                ("sparse", m.SparseConv2d(((0, 1), (1,)), 2)),
                ("F", m.Dense(3)),
            ]
            net = m.Network(items, (1, 6, 6), threads=1)
            net.freeze("norm")
        m.save(self.path, net if model is None else model)
        with open(self.path, "rb") as file:
            self.content = file.read()
        end = 8 + struct.unpack("<Q", self.content[:8])[0]
        self.header, self.data = json.loads(self.content[8:end]), self.content[end:]
        self.document = json.loads(self.header["__metadata__"]["minicnn"])

    def write(self, document=None, header=None):
        header = header or self.header | {"__metadata__": {"minicnn": json.dumps(document or self.document)}}
        text = json.dumps(header).encode()
        with open(self.path, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + self.data)

    def changed(self, *path, value):
        """The document with another value at a place."""
        document = copy.deepcopy(self.document)
        *way, last = path
        inside = document
        for each in way:
            inside = inside[each]
        inside[last] = value
        return document


def classifier():
    net = m.Network([("F", m.Dense(3)), m.Dropout(0.5), m.ScaledTanh()], (1, 3, 3), threads=1, backend="numpy")
    made = m.Classifier(net, classes=["a", "b", "c"])
    pictures = np.random.default_rng(0).integers(0, 256, (9, 3, 3)).astype(np.uint8)
    return made.fit(pictures, ["a", "b", "c"] * 3, epochs=2, log=None)


DEEP = 5 * [[[[[]]]]]
for _ in range(12):
    DEEP = [DEEP]


def walk(value, path=()):
    """Every place of a document, itself not counted."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield (*path, key)
        yield from walk(each, (*path, key))


POOL = (0, -1, 1, 2, 3, 16, 2**24, 2**31, 2**63, 10**400, 1e308, -0.5, 5e-324, "", "x", "Conv2d", "relu", "input", None, True)
POOL += ([], {}, [1, 2], [[1, 2], [3]], {"list": [1]}, {"array": [1], "dtype": "int8", "shape": [1]}, DEEP)


def mutated(rng, file):
    """Writes the file with a few changes: of its bytes, of its header, or of its document."""
    way = rng.random()
    if way < 0.3:
        content = bytearray(file.content)
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content))] = rng.choice((0, 255, rng.randrange(256)))
        if rng.random() < 0.1:
            content = content[: rng.randrange(len(content))]
        with open(file.path, "wb") as out:
            out.write(content)
        return
    of = copy.deepcopy(file.header if way < 0.5 else file.document)
    for _ in range(rng.randint(1, 3)):
        places = list(walk(of))
        if not places:
            break
        *way_in, last = rng.choice(places)
        inside = of
        for each in way_in:
            inside = inside[each]
        change = rng.random()
        if change < 0.15:
            inside.pop(last)
        elif change < 0.3 and isinstance(inside, list):
            inside.insert(last, copy.deepcopy(rng.choice(inside)))
        elif change < 0.45 and isinstance(inside[last], int | float):
            inside[last] = type(inside[last])(rng.choice((-inside[last], inside[last] + 1, inside[last] * 1000)))
        else:
            inside[last] = copy.deepcopy(rng.choice(POOL))
    if way < 0.5:
        file.write(header=of)
    else:
        file.write(of or {"": 1})
