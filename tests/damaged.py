"""Damaged files: bytes of them are others, or their end is missing.

Weights in such files are refused in a sentence, with the network as it was, or are other numbers.
"""

from minicnn.errors import CheckpointError


def snapshot(net):
    """Everything that loading may change."""
    return net.params.flat.tobytes(), {name: array.tobytes() for name, array in net.state.items()}


def damaged(content, rng):
    """Content that differs in some bytes, or lacks its end."""
    found = bytearray(content)
    for _ in range(rng.choice((1, 8, 64))):
        found[rng.randrange(len(found))] = rng.randrange(256)
    return bytes(found[: rng.choice((len(found), rng.randrange(len(found))))])


def refusals(path, content, times, rng, make, load):
    """What was said where a damaged file was refused, of so many."""
    said = []
    for _ in range(times):
        path.write_bytes(damaged(content, rng))
        net = make()
        before = snapshot(net)
        try:
            load(net, path)
        except CheckpointError as error:
            said.append(str(error))
            assert snapshot(net) == before
    return said
