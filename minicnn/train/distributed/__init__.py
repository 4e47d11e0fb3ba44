"""Training on several processes and machines, over MPI."""

from .mpi import MPIWorld, mpi_world

__all__ = ["MPIWorld", "mpi_world"]


def __dir__() -> list[str]:
    """What completion offers: the public names."""
    return sorted(__all__)
