"""How ranks watch over each other, without MPI: who is missed when, and in which words."""

import socket
import sys
import threading
import time

import pytest

from minicnn.backends import processors
from minicnn.train.distributed import hub as hub_module
from minicnn.train.distributed import member
from minicnn.train.distributed import spoke as spoke_module
from minicnn.train.distributed.hub import Hub
from minicnn.train.distributed.member import Lines, Place
from minicnn.train.distributed.spoke import Spoke

PLACES = [Place("here", 10), Place("here", 11), Place("there", 12)]
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


def test_ranks_that_leave_together_are_not_missed(ranks):
    leaving = [threading.Thread(target=each.leave) for each in ranks]
    for thread in leaving:
        thread.start()
    for thread in leaving:
        thread.join(20)
    assert not any(thread.is_alive() for thread in leaving)
    assert [each.words for each in ranks] == [[], [], []]


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
