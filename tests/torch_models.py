"""The three LeNets of ``minicnn.models`` in PyTorch, written from their descriptions; the keys of their state_dicts are ours.

The connection tables are written out here again, so that a mistake in ``minicnn.models`` cannot cancel.
"""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

TABLE_I = [
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
]  # fmt: skip
"""The channels of S2 that each map of C3 reads: table I of LeCun et al. 1998, by column."""

CYCLIC = [
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 0), (5, 0, 1),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (3, 4, 5, 0), (4, 5, 0, 1), (5, 0, 1, 2),
    (0, 1, 3, 4), (1, 2, 4, 5), (2, 3, 5, 0),
    (0, 1, 2, 3, 4, 5),
]  # fmt: skip
"""The same sets, in the order in which a group's kernels meet the channels."""


class Subsample(nn.Module):
    """One coefficient and one bias a map for the sum of every 2×2 window."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(channels) - 0.5)
        self.bias = nn.Parameter(torch.rand(channels) - 0.5)

    def forward(self, x):
        sums = x[:, :, ::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, ::2] + x[:, :, 1::2, 1::2]
        return sums * self.weight[:, None, None] + self.bias[:, None, None]


class SparseConv2d(nn.Module):
    """A convolution over a table; kernels lie packed, and the maps of a group share theirs and their bias."""

    def __init__(self, table, groups, channels=6, size=5):
        super().__init__()
        self.table, self.channels = table, channels
        self.group = [g for g, maps in enumerate(groups) for _ in range(maps)]
        self.start, kernels = [], 0
        for f, row in enumerate(table):
            if f == 0 or self.group[f] != self.group[f - 1]:
                first, kernels = kernels, kernels + len(row)
            self.start.append(first)
        self.weight = nn.Parameter((torch.rand(kernels, size, size) - 0.5) / 5)
        self.bias = nn.Parameter(torch.rand(len(groups)) - 0.5)

    def forward(self, x):
        maps = []
        for f, row in enumerate(self.table):
            kernels = self.weight[self.start[f] : self.start[f] + len(row)]
            bias = self.bias[self.group[f] : self.group[f] + 1]
            maps.append(F.conv2d(x[:, list(row)], kernels[None], bias))
        return torch.cat(maps, 1)


class LeNet5(nn.Module):
    """The network of the paper with a dense output."""

    in_shape = (1, 32, 32)

    def __init__(self, activation="scaled_tanh"):
        super().__init__()
        self.activation = torch.sigmoid if activation == "sigmoid" else lambda a: 1.7159 * torch.tanh(2 / 3 * a)
        self.C1 = nn.Conv2d(1, 6, 5)
        self.S2 = Subsample(6)
        self.C3 = SparseConv2d(TABLE_I, groups=[1] * 16)
        self.S4 = Subsample(16)
        self.C5 = nn.Conv2d(16, 120, 5)
        self.F6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, 10)

    def forward(self, x):
        for layer in (self.C1, self.S2, self.C3, self.S4, self.C5):
            x = self.activation(layer(x))
        return self.output(self.activation(self.F6(x.flatten(1))))


class LeNet5s(nn.Module):
    """The network with shared C3 kernels."""

    in_shape = (1, 32, 32)

    def __init__(self):
        super().__init__()
        self.C1 = nn.Conv2d(1, 6, 5)
        self.C3 = SparseConv2d(CYCLIC, groups=[6, 6, 3, 1])
        self.C5 = nn.Linear(400, 120)
        self.F6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, 10)

    def forward(self, x):
        x = F.avg_pool2d(F.relu(self.C1(x)), 2)
        x = F.avg_pool2d(F.relu(self.C3(x)), 2)
        return self.output(F.relu(self.F6(F.relu(self.C5(x.flatten(1))))))


class LeNet5Modern(nn.Module):
    """The network as it is usually written today."""

    in_shape = (1, 28, 28)

    def __init__(self):
        super().__init__()
        self.C1 = nn.Conv2d(1, 6, 5, padding=2)
        self.C3 = nn.Conv2d(6, 16, 5)
        self.C5 = nn.Linear(400, 120)
        self.F6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.C1(x)), 2)
        x = F.max_pool2d(F.relu(self.C3(x)), 2)
        return self.output(F.relu(self.F6(F.relu(self.C5(x.flatten(1))))))
