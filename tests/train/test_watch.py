"""How ranks watch over each other, without MPI: who is missed when, and in which words."""

import socket
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from minicnn.backends import processors
from minicnn.errors import BackendError
from minicnn.train.distributed import hub as hub_module
from minicnn.train.distributed import member, mpi
from minicnn.train.distributed import spoke as spoke_module
from minicnn.train.distributed.hub import Hub
from minicnn.train.distributed.member import Lines, Place
from minicnn.train.distributed.spoke import Spoke

PLACES = [Place("here", 10), Place("here", 11), Place("there", 12)]
SECONDS = member.TURN
TURN = 0.01

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


class Recorded:
    """A member that notes its last words in place of ending the process."""

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self.words, self.over = [], threading.Event()

    def _die(self, words):
        self.words.append(words)
        self.over.set()
        sys.exit()  # ends the watching thread


class RecordedHub(Recorded, Hub):
    pass


class RecordedSpoke(Recorded, Spoke):
    pass


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    for module in (member, hub_module, spoke_module):
        monkeypatch.setattr(module, "TURN", TURN)
    monkeypatch.setattr(spoke_module, "GRACE", 0.0)


@pytest.fixture
def ranks():
    """Three ranks that watch over each other."""
    hub = RecordedHub(PLACES, 60.0, "key", local=True)
    hub.start()
    spokes = [RecordedSpoke(PLACES, rank, hub.address, hub.port, "key") for rank in (1, 2)]
    for spoke in spokes:
        spoke.start()
    yield hub, *spokes
    for each in (hub, *spokes):
        each.gone = True
    for spoke in spokes:
        spoke._connection.close()


def words_of(one):
    assert one.over.wait(20), "expected an end"
    return one.words[0]


def test_a_rank_is_lost_after_ten_seconds_in_which_ten_signs_of_life_were_due():
    assert (member.LOST * SECONDS, member.LOST / member.BEAT) == (10, 10)


def test_ranks_that_leave_together_are_not_missed(ranks):
    leaving = [threading.Thread(target=each.leave) for each in ranks]
    for thread in leaving:
        thread.start()
    for thread in leaving:
        thread.join(20)
    assert not any(thread.is_alive() for thread in leaving)
    assert [each.words for each in ranks] == [[], [], []]


def test_watching_keeps_no_process_from_ending(ranks):
    watching = [thread for thread in threading.enumerate() if thread.name == "minicnn ranks"]
    assert len(watching) >= len(ranks)
    assert all(thread.daemon for thread in watching)
    for each in ranks:
        each.gone = True
    assert ranks[0]._all_gone.wait(20)


def test_nobody_leaves_before_the_others(ranks):
    leaving = threading.Thread(target=ranks[1].leave)
    leaving.start()
    leaving.join(40 * TURN)
    assert leaving.is_alive()
    ranks[0].gone = ranks[2].gone = True
    leaving.join(20)
    assert not leaving.is_alive()


def test_a_rank_whose_connection_ends_is_named_and_the_others_end_silently(ranks):
    ranks[2]._connection.shutdown(socket.SHUT_RDWR)
    ended = "rank 2 of 3 (process 12 on there) has ended without a word: killed, out of memory, or its daemon is lost"
    assert words_of(ranks[0]) == ended
    assert words_of(ranks[1]) is None


def test_an_error_is_told_with_its_rank(ranks):
    with pytest.raises(SystemExit):
        ranks[1].end("ValueError: no")
    assert words_of(ranks[0]) == "rank 1 of 3 (process 11 on here): ValueError: no"
    assert words_of(ranks[2]) is None


def test_an_error_of_rank_0_ends_the_others(ranks):
    time.sleep(20 * TURN)
    with pytest.raises(SystemExit):
        ranks[0].end("ValueError: no")
    assert ranks[0].words == ["rank 0 of 3 (process 10 on here): ValueError: no"]
    assert words_of(ranks[1]) is words_of(ranks[2]) is None


def test_a_silent_rank_is_named(monkeypatch):
    hub = RecordedHub(PLACES[:2], 60.0, "key", local=True)
    hub.start()
    silent = Spoke(PLACES[:2], 1, hub.address, hub.port, "key")  # its thread is not started: it says nothing more
    assert words_of(hub) == "rank 1 of 2 (process 11 on here) has not been heard of for 0.4 s: stopped, or cut off"
    silent._connection.close()


def test_rank_0_gives_a_sign_of_life_every_few_turns():
    hub = RecordedHub(PLACES[:2], 60.0, "key", local=True)
    hub.start()
    silent = Spoke(PLACES[:2], 1, hub.address, hub.port, "key")
    words_of(hub)  # that this one is silent, after as many turns as make a rank lost
    signs = [note for note in Lines(silent._connection).read() if "alive" in note]
    assert abs(len(signs) - member.LOST / member.BEAT) <= 2
    silent._connection.close()


def test_a_silent_rank_0_is_named():
    listener = socket.create_server(("127.0.0.1", 0))
    spoke = RecordedSpoke(PLACES, 1, "127.0.0.1", listener.getsockname()[1], "key")
    spoke.start()
    assert words_of(spoke) == "rank 0 of 3 (process 10 on here) has not been heard of for 0.4 s"
    listener.close()


def test_a_rank_that_ends_while_others_wait_for_it_is_named(ranks):
    ranks[0].enter()
    ranks[2].gone = True
    assert words_of(ranks[0]) == "rank 2 of 3 (process 12 on there) has ended its program, and others wait for it in exchange 1"


def test_a_rank_that_lives_and_does_not_come_is_given_up(ranks):
    ranks[0]._patience = 30
    ranks[0].enter()
    ranks[1].enter()
    assert words_of(ranks[0]).startswith("rank 2 of 3 (process 12 on there) lives, and has not come to exchange 1 for ")


def test_ranks_that_go_on_are_not_given_up(ranks):
    """Signs of life are older than the exchanges: some rank always seems late."""
    ranks[0]._patience = 10
    for _ in range(60):
        for each in ranks:
            each.enter()
        time.sleep(TURN)
        for each in ranks:
            each.left()
    assert not ranks[0].words


def test_a_rank_without_its_daemon_tells_it(ranks):
    ranks[1]._parent = -1
    assert words_of(ranks[1]) == "rank 1 of 3 (process 11 on here): its daemon has ended"
    lost = "rank 1 of 3 (process 11 on here): its daemon has ended, or the connection of its machine is lost"
    assert words_of(ranks[0]) == lost


def test_it_stays_until_rank_0_has_told_it(ranks, monkeypatch):
    monkeypatch.setattr(spoke_module, "GRACE", 10.0)
    monkeypatch.setattr(hub_module, "GRACE", 0.1)
    ranks[1]._parent = -1
    started = time.monotonic()
    assert words_of(ranks[1]) is None
    assert ranks[0].over.wait(5)
    assert time.monotonic() - started < 5


def test_rank_0_without_its_daemon_tells_it(ranks, monkeypatch):
    monkeypatch.setattr(hub_module, "GRACE", 0.1)
    ranks[0]._parent = -1
    assert words_of(ranks[0]) == "rank 0 of 3 (process 10 on here): its daemon has ended"


@pytest.fixture
def heard():
    """Rank 0, and the other ends of its connections."""
    hub = RecordedHub(PLACES, 60.0, "key", local=True)
    theirs = {}
    for rank in (1, 2):
        ours, theirs[rank] = socket.socketpair()
        ours.settimeout(0)
        hub._known[rank] = hub_module._Known(ours, Lines(ours))
    yield hub, theirs
    hub._listener.close()
    for each in theirs.values():
        each.close()


def test_ranks_of_other_machines_that_are_lost_with_the_daemon_are_named(heard):
    hub, theirs = heard
    theirs[1].sendall(b'{"failed": "on the same machine, whose daemon is known"}\n')
    theirs[2].sendall(b'{"failed": "its daemon has ended"}\n')
    assert hub._elsewhere() == ", and rank 2 of 3 (process 12 on there) is lost"


ENDED = b'{"failed": "its daemon has ended", "orphaned": true}\n'


def test_so_they_are_where_another_rank_of_the_launchers_machine_tells_it_first(heard):
    """A launcher that loses a daemon ends itself, which its own ranks may find out before the lost ones do."""
    hub, theirs = heard
    theirs[1].sendall(ENDED)
    threading.Timer(5 * TURN, theirs[2].sendall, [ENDED]).start()
    with pytest.raises(SystemExit):
        hub._hear()
    lost = "rank 2 of 3 (process 12 on there) is lost"
    assert hub.words == [f"rank 1 of 3 (process 11 on here): its daemon has ended, and {lost}"]


def test_a_rank_of_another_machine_is_named_once(heard):
    hub, theirs = heard
    theirs[2].sendall(ENDED)
    theirs[2].close()
    with pytest.raises(SystemExit):
        hub._hear()
    assert hub.words == ["rank 2 of 3 (process 12 on there): its daemon has ended"]


@pytest.mark.parametrize(("patience", "speaks"), [(0.3, True), (0.1, False)])
def test_the_patience_is_in_seconds_and_who_has_not_spoken_yet_has_not_come(patience, speaks):
    hub = RecordedHub(PLACES[:2], patience, "key", local=True)
    hub.enter()
    hub.start()
    spoke = RecordedSpoke(PLACES[:2], 1, hub.address, hub.port, "key")
    if speaks:
        spoke.start()
    late = "rank 1 of 2 (process 11 on here) lives, and has not come to exchange 1"
    assert words_of(hub) == f"{late} for {patience} s"
    spoke._connection.close()


def test_a_rank_that_hears_much_says_no_more():
    listener = socket.create_server(("127.0.0.1", 0))
    spoke = RecordedSpoke(PLACES, 1, "127.0.0.1", listener.getsockname()[1], "key")
    connection, _ = listener.accept()
    spoke.start()
    begun = time.monotonic()
    for _ in range(300):
        connection.sendall(b'{"alive": true}\n')
        time.sleep(TURN / 10)
    turns = (time.monotonic() - begun) / TURN
    connection.settimeout(TURN)
    said = [note for note in Lines(connection).read() if "come" in note]
    assert 0 < len(said) <= turns / member.BEAT + 2
    connection.close()
    listener.close()


def test_the_end_is_told_once():
    hub = Hub(PLACES[:1], 60.0, "key", local=True)
    hub._ending.acquire()  # as a thread does that is about to end the process
    other = threading.Thread(target=hub._die, args=("told again",), daemon=True)
    other.start()
    other.join(20)
    assert not other.is_alive()
    hub._listener.close()


def test_others_are_not_let_in():
    hub = RecordedHub(PLACES[:2], 60.0, "key", local=True)
    hub.start()
    stranger = Spoke(PLACES[:2], 1, hub.address, hub.port, "guessed")
    assert stranger._connection.recv(1) == b""
    spoke = RecordedSpoke(PLACES[:2], 1, hub.address, hub.port, "key")
    spoke.start()
    hub.gone = spoke.gone = True
    assert hub._all_gone.wait(20)


def test_ranks_that_never_connect_are_named():
    hub = RecordedHub(PLACES, 60.0, "key", local=True)
    hub.start()
    missing = "rank 1 of 3 (process 11 on here), rank 2 of 3 (process 12 on there)"
    assert words_of(hub) == f"expected a connection of {missing} to 127.0.0.1, got none"


def test_lines_may_come_in_pieces():
    ours, theirs = socket.socketpair()
    theirs.settimeout(0.05)
    lines = Lines(theirs)
    assert lines.read() == []
    assert not lines.closed
    ours.sendall(b'{"a": 1}\n{"b"')
    assert lines.read() == [{"a": 1}]
    ours.sendall(b": 2}\nno json\n[3]\n")
    assert lines.read() == [{"b": 2}]
    ours.close()
    assert lines.read() == []
    assert lines.closed


def test_a_process_counts_on_its_share_of_the_processors(monkeypatch):
    monkeypatch.setattr(processors, "_SHARE", [])
    before = processors.usable_cpus()
    processors.share_processors(1)
    assert processors.usable_cpus() == 1
    processors.share_processors(before + 5)
    assert processors.usable_cpus() == before


class Comm:
    """A communicator as far as a world asks it before the first exchange."""

    def __init__(self, size, given=()):
        self.size, self.given = size, given

    def Get_rank(self):
        return 0

    def Get_size(self):
        return self.size

    def allgather(self, own):
        return [own, *self.given]


def test_processors_that_several_ranks_may_use_are_divided_among_them(monkeypatch):
    own = {0: {0, 1, 2, 3}}  # 0 is this process
    monkeypatch.setattr(mpi.os, "sched_getaffinity", own.__getitem__, raising=False)
    here = socket.gethostname()
    assert mpi._share(Comm(3, [(here, {2, 3}), ("elsewhere", {0, 1})])) == 3
    assert mpi._share(Comm(5, [(here, {0, 1, 2, 3})] * 4)) == 1
    monkeypatch.delattr(mpi.os, "sched_getaffinity")
    for processors_, size, share in ((8, 3, 2), (8, 16, 1), (None, 1, 1)):
        monkeypatch.setattr(mpi.os, "cpu_count", lambda processors_=processors_: processors_)
        assert mpi._share(Comm(size)) == share


@pytest.fixture
def joined(monkeypatch):
    """Makes a world of so many ranks; what is to happen at the end of the process is noted in ``joined.watched``."""

    def make(size):
        monkeypatch.setattr(mpi, "_communicator", lambda: Comm(size))
        return mpi.mpi_world()

    make.watched = []
    monkeypatch.setattr(mpi, "_share", lambda comm: 1)
    monkeypatch.setattr(mpi, "share_processors", lambda count: None)
    monkeypatch.setattr(mpi, "_member", lambda comm, patience: SimpleNamespace(leave=comm.size))
    monkeypatch.setattr(mpi.atexit, "register", make.watched.append)
    monkeypatch.setattr(mpi.signal, "signal", lambda *given: None)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    for name in mpi.SIZES:
        monkeypatch.delenv(name, raising=False)
    return make


@pytest.mark.parametrize("size", [1, 2, 3])
def test_ranks_of_two_or_more_watch_over_each_other(joined, size):
    assert joined(size).size == size
    assert joined.watched == [size] * (size > 1)


def test_a_world_of_one_is_refused_where_the_launcher_started_several(joined, monkeypatch):
    monkeypatch.setenv("PMI_SIZE", "1")
    assert joined(1).size == 1
    monkeypatch.setenv("PMI_SIZE", "4")
    assert joined(2).size == 2
    with pytest.raises(
        BackendError, match="expected the MPI of this mpiexec, which started 4 processes, got one that knows of 1"
    ):
        joined(1)
