"""Networks, optimisers and all that training takes survive pickle and deepcopy, as joblib needs, and train on as before."""

import copy
import pickle

import numpy as np
import pytest

import minicnn as m
from minicnn.data import Normalise, Pixels
from minicnn.optim.averaging import ParameterAverage
from minicnn.optim.plateau import ReduceOnPlateau
from minicnn.optim.schedules import Cosine, LinearWarmUp, OneCycle, PiecewiseConstant, StepDecay
from minicnn.train import BestWeights, Dataset, EarlyStopping, TrainingOptions, identity

RNG = np.random.default_rng(2)
X, LABELS = RNG.standard_normal((24, 3)), RNG.integers(0, 2, 24)
WAYS = pytest.mark.parametrize(
    "way", [copy.deepcopy, lambda given: pickle.loads(pickle.dumps(given))], ids=["deepcopy", "pickle"]
)
OPTIMISERS = {
    "SGD": lambda: m.SGD(0.05, 0.9, groups=[m.ParameterGroup(kinds="bias", lr_factor=0.5)]),
    "Adam": lambda: m.Adam(0.05),
    "AdamW": lambda: m.AdamW(0.05),
    "NAdam": lambda: m.NAdam(0.05),
    "RMSprop": lambda: m.RMSprop(0.05),
    "Adagrad": lambda: m.Adagrad(0.05),
    "Adadelta": lambda: m.Adadelta(1.0),
    "Lion": lambda: m.Lion(0.01),
    "average": lambda: ParameterAverage(m.SGD(0.05, 0.9), 0.9),
}


def network():
    layers = [("F", m.Dense(4)), m.BatchNorm1d(), m.ReLU(), m.Dropout(0.3), ("G", m.Dense(2))]
    return m.Network(layers, (3,), threads=1, backend="numpy", seed=1)


def train(net, optimizer, steps=3):
    return [step(net, optimizer) for _ in range(steps)]


def step(net, optimizer):
    loss = net.loss_and_grads(m.CrossEntropy(), X, LABELS)
    optimizer.step(net)
    return loss


@WAYS
@pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)
def test_a_network_and_its_optimiser_train_on_as_before(way, make):
    net, optimizer = network(), make()
    net.freeze("F")
    train(net, optimizer)
    net.unfreeze()
    other = way((net, optimizer))
    assert train(*other) == train(net, optimizer)
    assert other[0].params.flat.tobytes() == net.params.flat.tobytes()
    assert other[1].missed == optimizer.missed


@WAYS
def test_an_optimiser_alone_goes_on_with_a_copy_of_its_network(way):
    net, optimizer = network(), m.Adam(0.05)
    train(net, optimizer)
    assert train(way(net), way(optimizer)) == train(net, optimizer)


@WAYS
@pytest.mark.parametrize(
    "value",
    [
        m.CrossEntropy(0.1, weight=(1, 2)),
        m.MSE(),
        m.BCEWithLogits(pos_weight=2.0),
        OneCycle(),
        LinearWarmUp(0.2, Cosine(0.1)),
        StepDecay(),
        PiecewiseConstant((0.1, 0.01)),
        ReduceOnPlateau(),
        Normalise(scale=1.0, shift=0.0),
        Pixels(np.zeros((2, 4, 4), np.uint8), Normalise(scale=1.0, shift=0.0)),
        Dataset(X, LABELS, np.arange(3), weight=np.ones(24)),
        TrainingOptions(3, schedule=OneCycle(), plateau=ReduceOnPlateau(), average=0.9, clip_norm=1.0),
        EarlyStopping(3, 0.1, "train_loss"),
        BestWeights(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_training_takes_is_the_same_as_a_copy(way, value):
    other = way(value)
    assert type(other) is type(value)
    assert identity.describe(other) == identity.describe(value)
