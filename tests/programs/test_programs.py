"""Programs as processes: where output cannot go, what signals do, and what they need."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = [
    "custom_layer",
    "distortions",
    "gallery",
    "lenet5_1998/reproduce",
    "records",
    "robustness",
    "train_cifar",
    "train_fashion",
    "train_mnist",
]
PROGRAMS = {
    "example": ["examples/train_mnist.py", "--help"],
    "command line": ["-m", "minicnn", "--help"],
    "benchmark": ["benchmarks/infer_bench.py", "--help"],
}


def environment(**settings):
    """That of an ordinary shell."""
    mine = ("PYTHONUNBUFFERED", "PYTHONIOENCODING", "PYTHONUTF8", "MINICNN_TRACEBACK")
    found = {name: value for name, value in os.environ.items() if name not in mine}
    return found | {"PYTHONPATH": str(ROOT)} | settings


def shell(redirections, arguments, **settings):
    command = ["/bin/sh", "-c", f'exec "$0" "$@" {redirections}', sys.executable, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run(command, cwd=ROOT, env=environment(**settings), timeout=200, check=False, **pipes)


def test_without_extras_every_program_helps_and_training_imports(python):
    code = f"""
import runpy, sys
for name in ("safetensors", "matplotlib", "tqdm", "torch", "onnx", "onnxruntime", "jax"):
    sys.modules[name] = None
import minicnn.train, minicnn.train.plots, minicnn.cli
folder = {str(ROOT / "examples")!r}
sys.path.insert(0, folder)
for name in {EXAMPLES}:
    sys.argv = [name, "--help"]
    try:
        runpy.run_path(f"{{folder}}/{{name}}.py", run_name="__main__")
    except SystemExit as ended:
        assert ended.code == 0, (name, ended.code)
"""
    assert python(code).count("usage: ") == len(EXAMPLES)


def test_closed_streams_are_silence(tmp_path):
    few = ["--source", "subset", "--limit", "24", "--epochs", "1", "--seeds", "1", "--threads", "1", "--out", str(tmp_path)]
    done = shell("<&- >&- 2>&-", ["examples/records.py", *few])
    assert done.returncode == 0
    assert (tmp_path / "seed-0" / "result.json").exists()


@pytest.mark.parametrize("program", PROGRAMS)
def test_output_that_finds_no_room_is_one_sentence(program):
    done = shell(">/dev/full", PROGRAMS[program])
    words = b": standard output: expected to write to it, got no space left on device; send it to where there is room\n"
    assert done.returncode == 2
    assert done.stderr.endswith(words)
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("program", ["example", "command line"])
def test_a_reader_who_has_gone_ends_a_program_without_a_word(program):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, *PROGRAMS[program]]
    done = subprocess.run(command, cwd=ROOT, env=environment(), stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_errors_that_cannot_be_reported_are_exit_codes():
    assert shell("2>/dev/full", ["examples/train_mnist.py", "--source", "subset", "--limit", "0"]).returncode == 2


ENCODINGS = {
    "ascii": ("x", {"PYTHONIOENCODING": "ascii"}),
    "cp437": ("x", {"PYTHONIOENCODING": "cp437"}),
    "C": ("×", {"LC_ALL": "C"}),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_table_is_aligned_in_any_encoding(tmp_path, name):
    by, settings = ENCODINGS[name]
    done = shell(
        "", ["examples/train_mnist.py", "--source", "subset", "--limit", "1", "--out", str(tmp_path / "±")], **settings
    )
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)  # after the table
    row = next(line for line in done.stdout.decode().splitlines() if line.startswith("C3 "))
    assert row == f"C3      SparseConv2d  16{by}10{by}10       1,516      151,600"


def training(folder, *more, **settings):
    """A run that goes on until it is told to end, in the middle of it."""
    endless = ["--source", "subset", "--limit", "600", "--epochs", "100000", "--threads", "1", "--out", str(folder)]
    command = [sys.executable, "examples/train_mnist.py", *(more or endless)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=ROOT, env=environment(PYTHONUNBUFFERED="1"), text=True, **pipes, **settings)


def wait_for(process, start):
    for line in process.stdout:
        if line.startswith(start):
            return
    pytest.fail(f"expected a line that starts with {start!r}, got {process.communicate()}")


def listen():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background has it ignored
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and so has one of nohup


@pytest.mark.parametrize(
    ("number", "code", "words"), [(signal.SIGINT, 130, "stopped"), (signal.SIGHUP, 129, "stopped by SIGHUP")]
)
def test_a_run_that_is_reported_to_end_is_saved_first(tmp_path, number, code, words):
    process = training(tmp_path, preexec_fn=listen)
    wait_for(process, "epoch  2")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, f"{words}\n")
    assert out.splitlines()[-1].startswith("stopped in epoch ")
    assert out.endswith(f"; saved to {tmp_path}/last.safetensors, go on with --resume\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.safetensors", "model.safetensors"]


def test_ctrl_c_does_not_reach_a_run_in_the_background(tmp_path):
    process = training(tmp_path, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    wait_for(process, "epoch  1")
    process.send_signal(signal.SIGINT)
    wait_for(process, "epoch  3")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (143, "stopped by SIGTERM\n")
    assert out.endswith(f"; saved to {tmp_path}/last.safetensors, go on with --resume\n")


def test_ctrl_c_outside_of_a_trainer_is_one_word(tmp_path):
    fast = ["--fast", "--source", "subset", "--threads", "1", "--out", str(tmp_path)]
    process = training(tmp_path, *fast, preexec_fn=listen)
    wait_for(process, "epoch 1")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "stopped\n")
    assert list(tmp_path.iterdir()) == []
