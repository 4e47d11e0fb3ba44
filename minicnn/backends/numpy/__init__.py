"""The NumPy backend: every kernel of the manual (``minicnn/backends/kernels.py``) as its formula, in plain NumPy.

It is the shortest way to read what the engine computes, needs no compiler, and is what other backends are compared with.
"""
# ruff: noqa: F403 (the public functions of these files are the kernels, and formulas that kernels share)

from ..defaults import *
from ..log import CompileLog
from .activation import *
from .arithmetic import *
from .conv import *
from .distortion import *
from .lanes import *
from .layout import *
from .losses import *
from .normalisation import *
from .outputs import *
from .pool import *
from .random import *
from .updates import *

INTERPRET = True  # kernels are plain Python, and allocate what their formulas need
LOG = CompileLog(lambda: "compiling nothing")  # there is nothing to compile
