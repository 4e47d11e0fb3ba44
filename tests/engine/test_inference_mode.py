"""Inside ``inference_mode`` parameters stay as they are: what is made of them is made once, and nobody can change them."""

import os
import threading
import time

import numpy as np
import pytest

import minicnn as m
from minicnn.backends.cpu import INTERPRET

LAYERS = [
    ("C", m.Conv2d(24, 3)),
    ("N", m.BatchNorm2d()),
    m.ReLU(),
    ("D", m.Conv2d(16, 3, padding=1)),
    m.MaxPool2d(2),
    m.Flatten(),
    ("F", m.Dense(3)),
]
PROMISED = r"^network: expected no update of the parameters inside inference_mode\(\), got one; leave inference_mode\(\) first$"


def network(layers=LAYERS, **options):
    return m.Network(layers, (2, 10, 11), threads=1, seed=1, **options)


def images(count=1):
    return np.random.default_rng(0).standard_normal((count, 2, 10, 11)).astype(np.float32)


@pytest.mark.parametrize("options", [{}, {"dtype": "float64"}, {"backend": "numpy"}], ids=str)
@pytest.mark.parametrize("count", [1, 3, 20])
def test_predictions_have_the_same_bits(count, options):
    net, x = network(**options), images(count)
    y = net.predict(x)
    with net.inference_mode():
        for _ in range(3):
            np.testing.assert_array_equal(net.predict(x), y)
    np.testing.assert_array_equal(net.predict(x), y)


@pytest.mark.skipif(INTERPRET, reason="without compilation nothing is packed")
@pytest.mark.parametrize("count", [1, 3, 20])
def test_what_is_made_of_the_parameters_is_made_once_in_each(count):
    """Seen by somebody who breaks the promise through an array of before."""
    net, x = network(), images(count)
    known = net.params["D.W"].view()
    with net.inference_mode():
        first = net.predict(x)
        known *= 2
        np.testing.assert_array_equal(net.predict(x), first)
    second = net.predict(x)
    assert not np.allclose(second, first)
    known *= 2
    with net.inference_mode():
        assert not np.allclose(net.predict(x), second)


def test_numpy_writes_into_no_parameter():
    net, x = network(), images()
    net.predict(x)
    with net.inference_mode():
        for array in (net.params["C.W"], net.params["F.b"], net.params.flat):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0
    before = net.predict(x)
    net.params["F.b"][...] += 1
    np.testing.assert_allclose(net.predict(x), before + 1, rtol=1e-5)


UPDATES = {
    "a step": lambda net: m.SGD(0.1).step(net),
    "update": lambda net: net.update().__enter__(),
    "statistics of batches": lambda net: net.loss_and_grads(m.CrossEntropy(), images(4), np.zeros(4, int)),
    "loading": lambda net: net.load_params(network().params),
}


@pytest.mark.parametrize("how", UPDATES)
@pytest.mark.parametrize("other", [False, True])
def test_updates_of_all_handles_are_refused(how, other):
    net = network()
    handle = net.share() if other else net
    net.loss_and_grads(m.CrossEntropy(), images(4), np.zeros(4, int))
    before = net.params.flat.copy()
    with net.inference_mode():
        with pytest.raises((m.ContractError, ValueError), match=rf"{PROMISED}|read-only"):
            UPDATES[how](handle)
        np.testing.assert_array_equal(net.params.flat, before)
    if how != "update":
        UPDATES[how](handle)


def test_gradients_may_be_computed():
    plain = [("C", m.Conv2d(6, 3)), m.ReLU(), m.Flatten(), ("F", m.Dense(3))]
    net, right = network(plain), network(plain)
    with net.inference_mode():
        loss = net.loss_and_grads(m.CrossEntropy(), images(5), np.arange(5) % 3)
    assert loss == right.loss_and_grads(m.CrossEntropy(), images(5), np.arange(5) % 3)
    np.testing.assert_array_equal(net.grads.flat, right.grads.flat)


def test_the_last_to_leave_lets_parameters_change():
    net = network()
    other = net.share()
    with net.inference_mode(), net.inference_mode():
        inner = other.inference_mode()
        inner.__enter__()
    with pytest.raises(m.ContractError, match=PROMISED):
        m.SGD(0.1).step(net)
    assert not net.params.flat.flags.writeable
    inner.__exit__(None, None, None)
    m.SGD(0.1).step(net)
    assert net.params.flat.flags.writeable


def test_an_error_inside_ends_it():
    net = network()
    with pytest.raises(KeyError), net.inference_mode():
        raise KeyError
    m.SGD(0.1).step(net)


def test_handles_and_copies_can_be_made_inside_and_layers_be_frozen():
    net, x = network(), images()
    y = net.predict(x)
    with net.inference_mode():
        np.testing.assert_array_equal(net.share().predict(x), y)
        np.testing.assert_array_equal(net.predict(x), y)
        net.freeze("C")
        np.testing.assert_array_equal(net.predict(x), y)
    m.SGD(0.1).step(net)


def test_an_update_that_waited_for_the_mode_is_refused():
    """It was asked for before the promise was given, and its turn came after."""
    net, found = network(), {}
    other, gate = net.share(), threading.Event()

    def promised():
        with other.inference_mode():
            found["before"] = other.params.flat.copy()
            gate.wait(10)
            found["after"] = other.params.flat.copy()

    def stepping():
        try:
            m.SGD(0.1).step(net)
        except m.ContractError as error:
            found["refused"] = error
        gate.set()

    net.loss_and_grads(m.CrossEntropy(), images(4), np.zeros(4, int))
    threads = [threading.Thread(target=work) for work in (promised, stepping)]
    with net.atomic():
        threads[0].start()
        time.sleep(0.2)
        threads[1].start()
        time.sleep(0.2)
    for thread in threads:
        thread.join()
    assert isinstance(found["refused"], m.ContractError)
    np.testing.assert_array_equal(found["before"], found["after"])


def test_an_update_that_was_made_before_is_refused_on_the_way_in():
    net = network()
    update = net.update()
    with net.inference_mode(), pytest.raises(m.ContractError, match=PROMISED), update:
        pass
    with net.update():
        net.params.flat[...] = 0


def test_leaving_waits_for_nobody():
    """An interrupt while it waited would leave the parameters as they are for good."""
    net = network()
    other, held, gate = net.share(), threading.Event(), threading.Event()

    def holding():
        with other.atomic():
            held.set()
            gate.wait(10)

    thread = threading.Thread(target=holding)
    with net.inference_mode():
        thread.start()
        held.wait()
    assert net.params.flat.flags.writeable
    gate.set()
    thread.join()


def test_networks_that_share_a_lock_have_promises_of_their_own():
    """Those on a device do."""
    one, two = network(), network()
    two._lock.shared = one._lock.shared
    with one.inference_mode():
        with two.inference_mode():
            pass
        assert two.params.flat.flags.writeable
        assert not one.params.flat.flags.writeable


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_is_free_of_the_promises_of_other_threads(python):
    code = """
import os, threading, warnings
import numpy as np
from minicnn import MSE, SGD, Dense, Network
warnings.simplefilter("ignore")
net, inside, gate = Network([Dense(2)], (3,), threads=1), threading.Event(), threading.Event()
def work():
    with net.inference_mode():
        inside.set()
        gate.wait()
threading.Thread(target=work).start()
inside.wait()
child = os.fork()
if child == 0:
    net.loss_and_grads(MSE(), np.ones((4, 3)), np.ones((4, 2)))
    SGD(0.1).step(net)
    os._exit(7 if net.params.flat.flags.writeable else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
gate.set()
"""
    assert python(code) == "7\n"


def test_in_a_call_on_the_same_network_it_is_refused():
    class Entering(m.Layer):
        net = None

        def plan(self, in_shape):
            return m.Plan(in_shape)

        def forward(self, k, x, y):
            k.call(self.enter, x, y)

        def backward(self, k, dy, dx):
            k.copy(dy, dx)

        def enter(self, x, y):
            y[...] = x
            if self.net is not None:
                with self.net.inference_mode():
                    pass

    layer = Entering()
    net, x = m.Network([layer], (3,), threads=1), np.zeros((2, 3))
    net.predict(x)
    layer.net = net
    with pytest.raises(m.ContractError, match=r"^network: expected "):
        net.predict(x)
    layer.net = None
    np.testing.assert_array_equal(net.predict(x), x)
    with net.update():
        net.params.flat[...] = 0
