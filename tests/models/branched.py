"""Networks that people train, with shortcuts and joins: the same one twice, as items of this package and in PyTorch."""

import torch
from case import Case, Mean, Same
from torch import nn
from torch.nn import functional as F  # noqa: N812

import minicnn as m
from minicnn import models


class Block(nn.Module):
    """Two convolutions with batch normalisation beside x, or beside a convolution of one tap."""

    def __init__(self, channels, filters, stride):
        super().__init__()
        self.conv1, self.norm1 = Same(channels, filters, 3, stride=stride), nn.BatchNorm2d(filters)
        self.conv2, self.norm2 = Same(filters, filters, 3), nn.BatchNorm2d(filters)
        self.shortcut = Same(channels, filters, 1, stride=stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        return F.relu(self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))) + self.shortcut(x))


def _resnet(blocks):
    layers, channels = [nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()], 16
    for stage, filters in enumerate((16, 32, 64)):
        for number in range(blocks):
            layers.append(Block(channels, filters, 2 if stage and not number else 1))
            channels = filters
    return nn.Sequential(*layers, Mean(), nn.Linear(64, 10))


RESNET8 = Case(models.resnet8, lambda: _resnet(1), shape=(3, 9, 9), real=(3, 32, 32))
"""ResNet-8 of MLPerf Tiny."""

RESNET20 = Case(models.resnet20, lambda: _resnet(3), shape=(3, 9, 9), real=(3, 32, 32))
"""ResNet-20."""


class Fire(nn.Module):
    """A narrow convolution of one tap, and two wide ones beside each other."""

    def __init__(self, channels, squeeze, expand):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.expand1, self.expand3 = nn.Conv2d(squeeze, expand, 1), nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1(x)), F.relu(self.expand3(x))], 1)


def _squeezenet():
    def pool():
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    return nn.Sequential(
        *(nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool(), Fire(64, 16, 64), Fire(128, 16, 64), pool(), Fire(128, 32, 128)),
        *(Fire(256, 32, 128), pool(), Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)),
        *(nn.Conv2d(512, 10, 1), nn.ReLU(), Mean()),
    )


SQUEEZENET = Case(models.squeezenet_small, _squeezenet, shape=(3, 19, 19), real=(3, 64, 64))
"""SqueezeNet 1.1, a network of fire modules."""


class UNet(nn.Module):
    """Maps that shrink four times, and grow again beside those that they came from."""

    def __init__(self, filters=(16, 32, 64, 128, 256)):
        super().__init__()
        self.down = nn.ModuleList(self.twice(c, n) for c, n in zip((3, *filters), filters, strict=False))
        self.up = nn.ModuleList()
        for n in filters[-2::-1]:
            self.up.append(nn.ModuleList([nn.ConvTranspose2d(2 * n, n, 2, stride=2), self.twice(2 * n, n)]))
        self.output = nn.Conv2d(filters[0], 1, 1)

    @staticmethod
    def twice(channels, filters):
        convs = nn.Conv2d(channels, filters, 3, padding=1), nn.Conv2d(filters, filters, 3, padding=1)
        return nn.Sequential(convs[0], nn.ReLU(), convs[1], nn.ReLU())

    def forward(self, x):
        levels = []
        for level, twice in enumerate(self.down):
            x = twice(F.max_pool2d(x, 2) if level else x)
            levels.append(x)
        for (grow, twice), beside in zip(self.up, levels[-2::-1], strict=True):
            x = twice(torch.cat([grow(x), beside], 1))
        return self.output(x)


UNET = Case(models.unet_small, UNet, shape=(3, 16, 16), real=(3, 64, 64), task="mask", rate=0.1)
"""U-Net; it is made for larger images still, on which five steps in float64 take minutes."""


class Beat(nn.Module):
    """Two convolutions beside x, and maxima of five."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv1d(32, 32, 5, padding=2), nn.Conv1d(32, 32, 5, padding=2)

    def forward(self, x):
        return F.max_pool1d(F.relu(x + self.conv2(F.relu(self.conv1(x)))), 5, 2)


def _beat():
    inner = [("conv1", m.Conv1d(32, 5, padding="same")), m.ReLU(), ("conv2", m.Conv1d(32, 5, padding="same"))]
    return [m.Residual(inner), m.ReLU(), m.MaxPool1d(5, 2)]


ECG = Case(
    [
        m.Conv1d(32, 5, padding="same"),
        *(item for _ in range(5) for item in _beat()),
        *(m.Dense(32), m.ReLU(), m.Dense(32), m.ReLU(), m.Dense(5)),
    ],
    lambda: nn.Sequential(
        *(nn.Conv1d(1, 32, 5, padding=2), *(Beat() for _ in range(5)), nn.Flatten()),
        *(nn.LazyLinear(32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 5)),
    ),
    shape=(1, 187),
    real=(1, 187),
)
"""The network for heartbeats of Kachuee, Fazeli and Sarrafzadeh (2018): one lead, 187 samples."""


TRUNK = [m.Conv2d(8, 3, padding=1), m.BatchNorm2d(), m.ReLU(), m.MaxPool2d(2), m.Conv2d(16, 3), m.ReLU(), m.Dense(32), m.ReLU()]


def _trunk():
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU()),
        *(nn.Flatten(), nn.LazyLinear(32), nn.ReLU()),
    )


class Siamese(nn.Module):
    """Two images through the same layers, and a head for both."""

    def __init__(self):
        super().__init__()
        self.trunk = _trunk()
        self.head = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 1))

    def forward(self, left, right):
        return self.head(torch.cat([self.trunk(left), self.trunk(right)], 1))


def _twice(trunk):
    """The trunk's items, and once more with the same parameters for the other image."""
    read = "left"
    for number, layer in enumerate(trunk):
        yield f"left{number}", layer, read
        read = f"left{number}"
    read = "right"
    for number in range(len(trunk)):
        yield f"right{number}", f"left{number}", read
        read = f"right{number}"


SIAMESE = Case(
    [
        *_twice(TRUNK),
        ("both", m.Concat(), (f"left{len(TRUNK) - 1}", f"right{len(TRUNK) - 1}")),
        *(m.Dense(24), m.ReLU(), m.Dense(1)),
    ],
    Siamese,
    shape={"left": (1, 10, 10), "right": (1, 10, 10)},
    real={"left": (1, 28, 28), "right": (1, 28, 28)},
    task="pair",
)
"""Whether two images show the same, as in PyTorch's example of a siamese network, with a smaller trunk."""


class TwoHeads(nn.Module):
    """A class and a number from the same layers."""

    def __init__(self):
        super().__init__()
        self.trunk, self.kind, self.size = _trunk(), nn.Linear(32, 10), nn.Linear(32, 1)

    def forward(self, x):
        x = self.trunk(x)
        return self.kind(x), self.size(x)


TWO_HEADS = Case(
    [*TRUNK[:-1], ("trunk", TRUNK[-1]), ("class", m.Dense(10), "trunk"), ("size", m.Dense(1), "trunk")],
    TwoHeads,
    shape=(1, 10, 10),
    real=(1, 28, 28),
    task="heads",
    outputs=("class", "size"),
)
"""A class and a number for each image, with a loss each."""
