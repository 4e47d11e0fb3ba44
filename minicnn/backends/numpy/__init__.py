"""The NumPy backend: every kernel of the manual (``minicnn/backends/kernels.py``) as its formula, in plain NumPy.

It is the shortest way to read what the engine computes, needs no compiler, and is what other backends are compared with.
"""
# ruff: noqa: F403 (the public functions of these files are the kernels, and formulas that kernels share)

from ..interface import Backend
from ..kernels import NAMES
from ..log import CompileLog
from .activation import *
from .arithmetic import *
from .augmentation import *
from .conv import *
from .distortion import *
from .gate import *
from .group_norm import *
from .lanes import *
from .layout import *
from .losses import *
from .normalisation import *
from .outputs import *
from .pool import *
from .random import *
from .rectifiers import *
from .smooth import *
from .soft_targets import *
from .updates import *

BACKEND = Backend(
    name="numpy",
    kernels={name: globals()[name] for name in sorted(NAMES)},
    log=CompileLog(lambda: "compiling nothing"),
    describe=lambda: "one thread, nothing to compile",
    interpreted=True,
)
