"""Weights in damaged files: each is refused in a sentence, with the network as it was, or holds other numbers."""

from minicnn.errors import CheckpointError


def snapshot(net):
    """Everything that loading may change."""
    return net.params.flat.tobytes(), {name: array.tobytes() for name, array in net.state.items()}


def refusals(path, content, times, rng, make, load):
    """What was said where a file was refused, of so many that differ from this content in some bytes, or lack their end."""
    said = []
    for _ in range(times):
        damaged = bytearray(content)
        for _ in range(rng.choice((1, 8, 64))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged[: rng.choice((len(damaged), rng.randrange(len(damaged))))])
        net = make()
        before = snapshot(net)
        try:
            load(net, path)
        except CheckpointError as error:
            said.append(str(error))
            assert snapshot(net) == before
    return said
