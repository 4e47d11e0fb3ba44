"""What starting does not do: import what reading files has no use for, and keep what compiling has no more use for."""

import pytest

from minicnn.backends.cpu.compile.mode import INTERPRET

UNUSED = ("http.client", "ssl", "tarfile", "urllib.request", "tqdm", "safetensors", "matplotlib")
"""What fetching, bars, checkpoints and pictures import where they come to it."""


def test_reading_files_imports_nothing_for_fetching_or_drawing(python):
    code = f"""
import sys
from minicnn.data import load_mnist
load_mnist(source="subset", log=lambda words: None)
print([name for name in {UNUSED} if name in sys.modules])
"""
    assert python(code).strip() == "[]"


@pytest.mark.skipif(INTERPRET, reason="nothing is compiled")
def test_a_compiled_kernel_does_not_keep_its_typed_code(python):
    code = """
import gc
import numpy as np
from numba.core.annotations.type_annotations import TypeAnnotation
from minicnn import kernel
from minicnn.backends.cpu import LOG
def double(x, y):
    for i in range(x.size):
        y[i] = x[i] + x[i]
x, y = np.ones(3, np.float32), np.empty(3, np.float32)
machine = kernel(double)
machine(x, y)
gc.collect()
machine(x, y)
kept = sum(isinstance(object, TypeAnnotation) for object in gc.get_objects())
print(len(LOG.compiled), kept, y.sum())
"""
    assert python(code).split() == ["1", "0", "6.0"]


@pytest.mark.skipif(INTERPRET, reason="nothing is compiled")
def test_loading_compiled_kernels_does_not_fill_the_compilers_registries(python):
    code = """
import sys
import numpy as np
from minicnn import MSE, SGD, models
from minicnn.backends.cpu import LOG
net = models.lenet5()
loss = net.loss_and_grads(MSE(1, -1), np.ones((32, 1, 32, 32), np.float32), np.zeros(32, np.int64))
SGD(0.1).step(net)
print(len(LOG.compiled) > 0, "numba.np.arraymath" in sys.modules, float(loss))
"""
    cold, warm = python(code).split(), python(code).split()
    assert (cold[:2], warm[:2]) == (["True", "True"], ["False", "False"])
    assert cold[2] == warm[2]
