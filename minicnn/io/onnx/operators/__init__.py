"""The operators that stand for each layer.

The files have a function for each layer, which writes its nodes and returns the name of its value.
"""

from __future__ import annotations

from collections.abc import Callable

from .... import nn
from ....nn.base import Layer
from . import activations, convolutions, dense, joins, maps, norms, pools
from .activations import alone
from .steps import Graph, Place

OPERATORS: dict[type[Layer], Callable[..., str]] = {
    nn.AdaptiveAvgPool2d: pools.adaptive_average_pool,
    nn.Add: joins.add,
    nn.AvgPool1d: pools.average_pool,
    nn.AvgPool2d: pools.average_pool,
    nn.BatchNorm1d: norms.batch_norm,
    nn.BatchNorm2d: norms.batch_norm,
    nn.Concat: joins.concat,
    nn.Conv1d: convolutions.conv,
    nn.Conv2d: convolutions.conv,
    nn.ConvTranspose1d: convolutions.conv_transpose,
    nn.ConvTranspose2d: convolutions.conv_transpose,
    nn.Dense: dense.dense,
    nn.Dropout: norms.nothing,
    nn.Dropout2d: norms.nothing,
    nn.ELU: activations.elu,
    nn.Flatten: maps.flatten,
    nn.GELU: activations.gelu,
    nn.GlobalAvgPool2d: pools.global_average_pool,
    nn.GlobalMaxPool2d: pools.global_max_pool,
    nn.GroupNorm: norms.group_norm,
    nn.Hardsigmoid: alone("HardSigmoid", alpha=1 / 6, beta=0.5),
    nn.Hardswish: alone("HardSwish"),
    nn.IndexSelect: maps.index_select,
    nn.InstanceNorm2d: norms.instance_norm,
    nn.LayerNorm: norms.layer_norm,
    nn.LeakyReLU: activations.leaky_relu,
    nn.LogSoftmax: alone("LogSoftmax", axis=1),
    nn.MaxPool1d: pools.max_pool,
    nn.MaxPool2d: pools.max_pool,
    nn.MaxUnpool1d: pools.max_unpool,
    nn.MaxUnpool2d: pools.max_unpool,
    nn.Mish: alone("Mish"),
    nn.Multiply: joins.multiply,
    nn.PReLU: activations.prelu,
    nn.Pad2d: maps.pad,
    nn.RBF: dense.rbf,
    nn.ReLU: alone("Relu"),
    nn.ReLU6: activations.relu6,
    nn.Permute: maps.permute,
    nn.Reshape: maps.reshape,
    nn.Resize: maps.resize,
    nn.SELU: alone("Selu"),
    nn.ScaledTanh: activations.scaled_tanh,
    nn.SiLU: activations.silu,
    nn.Sigmoid: alone("Sigmoid"),
    nn.Softmax: alone("Softmax", axis=1),
    nn.Softplus: activations.softplus,
    nn.SparseConv2d: convolutions.sparse_conv,
    nn.Subsample: convolutions.subsample,
    nn.Tanh: alone("Tanh"),
    nn.Upsample: maps.upsample,
}
"""What writes each layer. A class that is made from one of these is not one: its passes may be others."""

__all__ = ["OPERATORS", "Graph", "Place"]
