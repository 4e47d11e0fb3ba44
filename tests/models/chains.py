"""Networks that people train, without branches: the same one twice, as items of this package and in PyTorch."""

from case import Case, Mean, Same
from torch import nn

import minicnn as m
from minicnn import models

D2L = Case(
    [
        *(m.Conv2d(6, 5, padding=2), m.Sigmoid(), m.AvgPool2d(2), m.Conv2d(16, 5), m.Sigmoid(), m.AvgPool2d(2), m.Flatten()),
        *(m.Dense(120), m.Sigmoid(), m.Dense(84), m.Sigmoid(), m.Dense(10)),
    ],
    lambda: nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.LazyLinear(120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10)),
    ),
    shape=(1, 16, 16),
    real=(1, 28, 28),
    rate=0.9,
)
"""The LeNet of *Dive into Deep Learning*, section 7.6."""

CAFFE = Case(
    [
        *(m.Conv2d(20, 5), m.MaxPool2d(2), m.Conv2d(50, 5), m.MaxPool2d(2)),
        *(m.Dense(500), m.ReLU(), m.Dense(10)),
    ],
    lambda: nn.Sequential(
        *(nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.LazyLinear(500), nn.ReLU(), nn.Linear(500, 10)),
    ),
    shape=(1, 16, 16),
    real=(1, 28, 28),
)
"""The LeNet of Caffe's MNIST example: nothing behind its convolutions but maxima."""

TORCH_MNIST = Case(
    [
        *(m.Conv2d(32, 3), m.ReLU(), m.Conv2d(64, 3), m.ReLU(), m.MaxPool2d(2), m.Dropout(0.25), m.Flatten()),
        *(m.Dense(128), m.ReLU(), m.Dropout(0.5), m.Dense(10)),
    ],
    lambda: nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.LazyLinear(128), nn.ReLU(), nn.Linear(128, 10)),
    ),
    shape=(1, 12, 12),
    real=(1, 28, 28),
)
"""PyTorch's MNIST example; its log-softmax is in the loss."""

TORCH_CIFAR = Case(
    [
        *(m.Conv2d(6, 5), m.ReLU(), m.MaxPool2d(2), m.Conv2d(16, 5), m.ReLU(), m.MaxPool2d(2), m.Flatten()),
        *(m.Dense(120), m.ReLU(), m.Dense(84), m.ReLU(), m.Dense(10)),
    ],
    lambda: nn.Sequential(
        *(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.LazyLinear(120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    ),
    shape=(3, 16, 16),
    real=(3, 32, 32),
)
"""The network of PyTorch's CIFAR-10 tutorial."""

KERAS_MNIST = Case(
    models.mnist_convnet,
    lambda: nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.LazyLinear(10)),
    ),
    shape=(1, 12, 12),
    real=(1, 28, 28),
)
"""Keras's example ``mnist_convnet``."""


def _keras_cifar(conv, relu, pool, drop):
    """Two convolutions twice over, the second of which has no padding."""
    return [item for first, second in conv for item in (first, relu(), second, relu(), pool(2), *drop)]


KERAS_CIFAR = Case(
    [
        *_keras_cifar(
            [(m.Conv2d(n, 3, padding="same"), m.Conv2d(n, 3)) for n in (32, 64)], m.ReLU, m.MaxPool2d, [m.Dropout(0.25)]
        ),
        *(m.Dense(512), m.ReLU(), m.Dropout(0.5), m.Dense(10)),
    ],
    lambda: nn.Sequential(
        *_keras_cifar([(Same(c, n, 3), nn.Conv2d(n, n, 3)) for c, n in ((3, 32), (32, 64))], nn.ReLU, nn.MaxPool2d, []),
        *(nn.Flatten(), nn.LazyLinear(512), nn.ReLU(), nn.Linear(512, 10)),
    ),
    shape=(3, 12, 12),
    real=(3, 32, 32),
)
"""Keras's example ``cifar10_cnn``."""

MNIST_FAST = Case(
    [
        *(
            m.Conv2d(24, 5),
            m.BatchNorm2d(),
            m.MaxPool2d(2),
            m.ReLU(),
            m.Conv2d(32, 3),
            m.BatchNorm2d(),
            m.MaxPool2d(2),
            m.ReLU(),
        ),
        *(m.Dense(256), m.ReLU(), m.Dense(10)),
    ],
    lambda: nn.Sequential(
        *(nn.Conv2d(1, 24, 5), nn.BatchNorm2d(24), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Conv2d(24, 32, 3), nn.BatchNorm2d(32), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Flatten(), nn.LazyLinear(256), nn.ReLU(), nn.Linear(256, 10)),
    ),
    shape=(1, 12, 12),
    real=(1, 28, 28),
)
"""``train_mnist_fast`` (Oikarinen, 2021), with batch normalisation."""


def _vgg():
    layers, channels = [], 3
    for filters in (32, 64, 128):
        for _ in range(2):
            layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU()]
            channels = filters
        layers.append(nn.MaxPool2d(2))
    tail = [nn.Flatten(), nn.LazyLinear(128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 10)]
    return nn.Sequential(*layers, *tail)


VGG = Case(models.vgg_small, _vgg, shape=(3, 8, 8), real=(3, 32, 32))
"""VGG with batch normalisation."""


def _mobilenet():
    layers, channels = [Same(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU()], 8
    for filters, stride in ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)):
        layers += [Same(channels, channels, 3, stride=stride, groups=channels), nn.BatchNorm2d(channels), nn.ReLU()]
        layers += [nn.Conv2d(channels, filters, 1), nn.BatchNorm2d(filters), nn.ReLU()]
        channels = filters
    return nn.Sequential(*layers, Mean(), nn.Linear(256, 2))


MOBILENET = Case(models.mobilenet_small, _mobilenet, shape=(3, 34, 34), real=(3, 96, 96), rate=0.005)
"""MobileNet, depthwise separable convolutions with batch normalisation: 27 of these on few pixels make much of a rounding."""

ALL = (
    (96, 3, 1, 1),
    (96, 3, 1, 1),
    (96, 3, 2, 1),
    (192, 3, 1, 1),
    (192, 3, 1, 1),
    (192, 3, 2, 1),
    (192, 3, 1, 0),
    (192, 1, 1, 0),
)
"""Filters, taps, stride and padding of All-CNN-C."""


def _all_cnn():
    layers, channels = [], 3
    for filters, taps, stride, padding in ALL:
        layers += [nn.Conv2d(channels, filters, taps, stride, padding), nn.ReLU()]
        channels = filters
    return nn.Sequential(*layers, Mean())


ALL_CNN = Case(
    [
        *(item for n, k, s, p in ALL for item in (m.Conv2d(n, k, stride=s, padding=p), m.ReLU())),
        m.GlobalAvgPool2d(),
    ],
    _all_cnn,
    shape=(3, 10, 10),
    real=(3, 32, 32),
)
"""All-CNN-C (Springenberg et al., 2015), a network of convolutions alone."""

AUTOENCODER = Case(
    models.conv_autoencoder,
    lambda: nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)),
        *(nn.Conv2d(16, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)),
        *(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)),
        *(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2)),
        *(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2)),
        *(nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(16, 1, 3, padding=1), nn.Sigmoid()),
    ),
    shape=(1, 12, 12),
    real=(1, 28, 28),
    task="image",
    rate=0.9,
)
"""The convolutional autoencoder of *Building Autoencoders in Keras*."""


def _m5():
    layers, channels = [], 1
    for filters, taps, stride in ((32, 80, 16), (32, 3, 1), (64, 3, 1), (64, 3, 1)):
        layers += [nn.Conv1d(channels, filters, taps, stride), nn.BatchNorm1d(filters), nn.ReLU(), nn.MaxPool1d(4)]
        channels = filters
    return nn.Sequential(*layers, Mean(), nn.Linear(64, 12))


M5 = Case(models.keyword_cnn, _m5, shape=(1, 6848), real=(1, 8000))
"""M5, a network for sounds."""
