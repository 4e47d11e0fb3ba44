"""Random choices out of the bytes of an input, so that a search over bytes is one over choices."""


class Drawn:
    """What ``random.Random`` offers to mutators, from bytes; after their end it is the first of every choice.

    >>> rng = Drawn(bytes([0, 3, 0, 0]))
    >>> rng.randrange(10), rng.choice("ab"), rng.random()
    (3, 'a', 0.0)
    """

    def __init__(self, data):
        self._data, self._at = data, 0

    def rest(self):
        """The bytes that are left."""
        return self._data[self._at :]

    def _number(self):
        found = int.from_bytes(self._data[self._at : self._at + 2], "big")
        self._at += 2
        return found

    def random(self):
        return self._number() / 65536

    def randrange(self, start, stop=None):
        low, high = (0, start) if stop is None else (start, stop)
        return low + self._number() % (high - low)

    def randint(self, low, high):
        return self.randrange(low, high + 1)

    def choice(self, among):
        return among[self.randrange(len(among))]
