"""Networks by name. The ``options`` of every model go to ``Network``: dtype, backend, threads, seed, lanes, slots."""

from .autoencoder import conv_autoencoder
from .lenet import C3_CONNECTIONS, c3_table, cyclic_table, lenet5, lenet5_1998, lenet5_modern, lenet5s
from .resnet import resnet8, resnet20
from .small import keyword_cnn, mnist_convnet, mobilenet_small
from .squeezenet import squeezenet_small
from .unet import unet_small
from .vgg import vgg_small

CLASSIFIERS = (
    *("keyword_cnn", "lenet5", "lenet5_1998", "lenet5_modern", "lenet5s", "mnist_convnet", "mobilenet_small"),
    *("resnet8", "resnet20", "squeezenet_small", "vgg_small"),
)
"""The names of the models whose outputs are classes."""

ZOO = (*CLASSIFIERS, "conv_autoencoder", "unet_small")
"""The names of all models."""

__all__ = [
    "C3_CONNECTIONS",
    "c3_table",
    "conv_autoencoder",
    "cyclic_table",
    "keyword_cnn",
    "lenet5",
    "lenet5_1998",
    "lenet5_modern",
    "lenet5s",
    "mnist_convnet",
    "mobilenet_small",
    "resnet8",
    "resnet20",
    "squeezenet_small",
    "unet_small",
    "vgg_small",
]


def __dir__() -> list[str]:
    """What completion offers: the public names."""
    return sorted(__all__)
