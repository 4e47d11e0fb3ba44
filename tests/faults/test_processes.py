"""Networks in processes begun in every way, and in the tasks of an event loop."""

import asyncio
import multiprocessing

import numpy as np
import pytest

PROGRAM = """
import multiprocessing, sys
import numpy as np
from minicnn import CrossEntropy, Dense, Network, SGD, Tanh

X, LABELS = np.random.default_rng(0).standard_normal((300, 30)).astype("float32"), np.arange(300) % 4

def trained(net, steps):
    sgd = SGD(0.1, momentum=0.9)
    for _ in range(steps):
        net.loss_and_grads(CrossEntropy(), X, LABELS)
        sgd.step(net)
    return net.params.flat.tobytes() + net.predict(X).tobytes()

if __name__ == "__main__":
    net = Network([Dense(64), Tanh(), Dense(4)], (30,), threads=2, seed=1)
    net.predict(X)  # its threads are there
    processes = multiprocessing.get_context(sys.argv[1])
    with processes.Pool(3) as pool:
        found = pool.starmap(trained, [(net, 5)] * 6)
        again = pool.starmap(trained, [(net, 5)] * 6)
    print(set(found + again) == {trained(net, 5)}, len(found))
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_children_give_the_bits_of_their_parent(python, method):
    """The program is a file, since a spawned child imports it."""
    (python.folder / "program.py").write_text(PROGRAM)
    code = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, 'program.py', {method!r}]).returncode)"
    assert python(code, MINICNN_CACHE=python.kept) == "True 6\n"


def test_tasks_of_an_event_loop_predict_and_train():
    """Calls in worker threads of the loop, which runs on meanwhile; a task that is given up leaves the network usable."""
    from minicnn import SGD, CrossEntropy, Dense, Network

    net, rng = Network([Dense(5)], (12,), threads=1, seed=2), np.random.default_rng(0)
    x, labels, sgd = rng.standard_normal((40, 12)).astype("float32"), np.arange(40) % 5, SGD(0.0)
    expected, turns = net.predict(x), []

    def step():
        with net.atomic():
            net.loss_and_grads(CrossEntropy(), x, labels)
            sgd.step(net)

    async def beat():
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    async def main():
        beating = asyncio.create_task(beat())
        works = [asyncio.to_thread(net.predict, x, [i % 40]) for i in range(200)]
        given_up = asyncio.create_task(asyncio.to_thread(net.predict, x))
        steps = [asyncio.to_thread(step) for _ in range(20)]
        given_up.cancel()
        found = await asyncio.gather(*works, *steps, given_up, return_exceptions=True)
        beating.cancel()
        return found

    found = asyncio.run(main())
    for i, y in enumerate(found[:200]):
        np.testing.assert_array_equal(y, net.predict(x, [i % 40]))
    assert found[200:220] == [None] * 20
    assert isinstance(found[220], asyncio.CancelledError)
    assert len(turns) > 1
    assert sgd.steps == 20
    np.testing.assert_array_equal(net.predict(x), expected)
