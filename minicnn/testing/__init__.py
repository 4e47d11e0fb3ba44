"""Checks for layers, losses and backends, minicnn's own and yours.

``check_layer``, ``check_loss`` and ``check_backend`` each give a list of named checks. Nothing is checked until a check is
called, so make a pytest case of each, or call them in a loop; a failing one hides no other:

    @pytest.mark.parametrize("check", check_layer(Swish(), (3, 5, 4)), ids=str)
    def test_swish(check):
        check()

All raise AssertionError with the figures that differ. Gradients are compared in float64 along random directions with a
random upstream gradient: all-ones upstream gradients hide transposed indices, and float32 hides small terms.
"""

from .backends import check_backend
from .check import Check
from .gradients import check_adjoint, check_gradient
from .layers import check_layer
from .losses import check_loss

__all__: list[str] = ["Check", "check_adjoint", "check_backend", "check_gradient", "check_layer", "check_loss"]


def __dir__() -> list[str]:
    """What completion offers: the public names."""
    return sorted(__all__)
