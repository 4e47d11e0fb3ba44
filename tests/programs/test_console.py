"""What every program shares: what goes wrong is a sentence and an exit code, and nothing is changed when it has returned."""

import argparse
import ast
import errno
import importlib.metadata
import io
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from minicnn import DataError, OptionError, OutputError
from minicnn.backends.signals import FINAL
from minicnn.cli.console import OPTIONAL, TRACEBACK, path, program
from minicnn.cli.streams import shown, usable_streams
from minicnn.data.outfile import outfile
from minicnn.errors import lacking, need
from minicnn.train import metrics, plots
from minicnn.train.folder_lock import prepare
from minicnn.train.interrupt import Terminated, end, handled

ROOT = Path(__file__).parents[2]


def raising(error):
    @program()
    def main():
        raise error

    return main


def import_error(name):
    return ModuleNotFoundError(f"No module named {name!r}", name=name)


EXPECTED = {
    "an error of minicnn": (OptionError("--size", "expected 1, got 0", "give 1"), "--size: expected 1, got 0; give 1"),
    "memory": (MemoryError(), "memory: expected enough for this, got too little; take fewer images or smaller batches"),
    "memory, with its size": (
        np._core._exceptions._ArrayMemoryError((1 << 40,), np.dtype("float32")),
        "memory: expected enough for this, got too little (Unable to allocate 4.00 TiB for an array with shape "
        "(1099511627776,) and data type float32); take fewer images or smaller batches",
    ),
    "threads": (
        RuntimeError("can't start new thread"),
        "threads: expected to start one more, got a refusal of the system; give --threads 1, or allow more processes "
        "(ulimit -u)",
    ),
    "a package": (
        import_error("matplotlib.figure"),
        "program: expected the package matplotlib, got none installed; run pip install matplotlib",
    ),
    "a package that is broken": (
        ImportError("no memory for libtorch.so", name="torch._C"),
        "program: expected the package torch, got one that does not load (no memory for libtorch.so); free some memory, or run "
        "pip install --force-reinstall torch",
    ),
    "a file": (
        IsADirectoryError(errno.EISDIR, "Is a directory", "runs/x"),
        "runs/x: expected a file or folder that can be used, got a directory; check it and its permissions",
    ),
    "standard output": (
        OSError(errno.ENOSPC, "No space left on device"),
        "standard output: expected to write to it, got no space left on device; send it to where there is room",
    ),
    "the system": (
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        "system: expected the system to do its part, got cannot allocate memory; check free space, memory and limits",
    ),
    "text": (
        UnicodeEncodeError("ascii", "a×b", 1, 2, "ordinal not in range"),
        "text: expected text that ascii can hold, got '\\xd7'; set PYTHONUTF8=1, or choose another name",
    ),
}


@pytest.mark.parametrize("case", EXPECTED)
def test_what_a_machine_or_a_request_brings_about_is_one_sentence_and_code_2(capsys, case):
    error, words = EXPECTED[case]
    assert raising(error)() == 2
    assert capsys.readouterr() == ("", f"error: {words}\n")


def test_a_fault_of_the_program_is_reported_as_one(capsys, monkeypatch):
    monkeypatch.delenv(TRACEBACK, raising=False)
    words = (
        "error: unexpected KeyError ('no such layer'): this is a fault of the program; set MINICNN_TRACEBACK=1 to see where it "
        "is, and report it\n"
    )
    assert raising(KeyError("no such layer"))() == 1
    assert capsys.readouterr().err == words
    monkeypatch.setenv(TRACEBACK, "1")
    assert raising(KeyError("no such layer"))() == 1
    printed = capsys.readouterr().err
    assert printed.startswith("Traceback (most recent call last)")
    assert "in main" in printed
    assert printed.endswith(words)


def test_a_long_message_is_cut_to_a_line(capsys):
    assert raising(ValueError("many\nlines of words " * 90))() == 1
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert len(printed) < 400


def test_arguments_and_the_exit_code_go_through(capsys):
    @program("bench")
    def main(code, *, more=0):
        return code + more

    assert (main(0), main(3, more=1)) == (0, 4)
    assert capsys.readouterr() == ("", "")


# --- signals ---


@pytest.fixture(autouse=True)
def _handlers(request):
    """The handlers of an ordinary process at the start, whatever ran the tests; the same ones at the end."""
    numbers = (signal.SIGINT, *FINAL)
    old = {number: signal.getsignal(number) for number in numbers}
    usual = {signal.SIGINT: signal.default_int_handler} | dict.fromkeys(FINAL, signal.SIG_DFL)
    for number, handler in usual.items():
        signal.signal(number, handler)
    yield
    left = {number: signal.getsignal(number) for number in numbers}
    for number, handler in old.items():
        signal.signal(number, handler)
    assert left == usual


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (signal.SIGINT, 130, "stopped"),
        (signal.SIGTERM, 143, "stopped by SIGTERM"),
        (signal.SIGHUP, 129, "stopped by SIGHUP"),
    ],
)
def test_a_signal_ends_the_program_with_its_number(capsys, number, code, words):
    cleaned = []

    def main():
        try:
            os.kill(os.getpid(), number)
            threading.Event().wait(10)
        finally:
            cleaned.append(True)

    assert program()(main)() == code
    assert capsys.readouterr() == ("", f"{words}\n")
    assert program("bench", "go on with --resume")(main)() == code
    assert capsys.readouterr() == ("", f"bench: {words}; go on with --resume\n")
    assert cleaned == [True, True]


class Dying:
    """Is interrupted while it is destroyed, where Python can only report what a handler raises."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        signal.raise_signal(self.number)


@pytest.mark.parametrize(
    ("number", "code", "words"), [(signal.SIGINT, 130, "stopped"), (signal.SIGTERM, 143, "stopped by SIGTERM")]
)
def test_a_signal_that_comes_in_a_destructor_is_not_lost(capsys, number, code, words):
    @program("error")
    def main():
        Dying(number)
        time.sleep(10)
        return 0

    began, hook = time.monotonic(), sys.unraisablehook
    assert main() == code
    assert time.monotonic() - began < 5
    assert capsys.readouterr().err == f"{words}\n"
    assert sys.unraisablehook is hook


def test_other_errors_in_a_destructor_are_reported_as_ever(capsys, monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: seen.append(lost.exc_type))

    class Broken:
        def __del__(self):
            raise ValueError

    @program("error")
    def main():
        Broken()
        return 0

    assert main() == 0
    assert seen == [ValueError]


@pytest.mark.parametrize("number", [signal.SIGINT, *FINAL])
def test_an_ignored_signal_stays_ignored(capsys, number):
    @program()
    def main():
        os.kill(os.getpid(), number)
        return 0

    old = signal.signal(number, signal.SIG_IGN)
    assert main() == 0
    assert signal.signal(number, old) is signal.SIG_IGN


def test_a_handler_of_the_surrounding_program_is_left_alone():
    seen = []

    @program()
    def main():
        os.kill(os.getpid(), signal.SIGTERM)
        return 0

    old = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    assert main() == 0
    signal.signal(signal.SIGTERM, old)
    assert seen == [signal.SIGTERM]


def test_outside_the_main_thread_a_program_runs_without_handlers():
    codes = []
    thread = threading.Thread(target=lambda: codes.append(program()(lambda: 0)()))
    thread.start()
    thread.join(10)
    assert codes == [0]


def test_what_handles_signals_gives_them_back_after_an_error():
    with pytest.raises(Terminated) as caught, handled(FINAL, end):
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.number == signal.SIGTERM


# --- streams ---


def test_characters_that_an_encoding_lacks_have_a_stand_in(monkeypatch):
    raw = {name: io.BytesIO() for name in ("stdout", "stderr")}
    for name, bytes_ in raw.items():
        monkeypatch.setattr(sys, name, io.TextIOWrapper(bytes_, "ascii", errors="strict"))

    @program()
    def main():
        print("6×28×28 – 3 µs ± 2 … −1 é \udcff")
        raise OptionError("Conv2d", "expected 3×3, got …", "give 3×3")

    assert main() == 2
    assert raw["stdout"].getvalue() == rb"6x28x28 - 3 us +- 2 ... -1 \xe9 \udcff" + b"\n"
    assert raw["stderr"].getvalue() == b"error: Conv2d: expected 3x3, got ...; give 3x3\n"
    assert (sys.stdout.errors, sys.stderr.errors) == ("strict", "strict")


@pytest.mark.parametrize(
    ("encoding", "text"), [("ascii", "us +-"), ("cp437", "µs ±"), ("utf-8", "µs ±")], ids=["ascii", "cp437", "utf-8"]
)
def test_columns_are_aligned_by_what_is_shown(monkeypatch, encoding, text):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding))
    assert shown("µs ±") == text


def test_where_there_are_no_streams_a_program_runs_in_silence(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert raising(OptionError("a", "b", "c"))() == 2
    with usable_streams():
        print("lost", file=sys.stdout, flush=True)
    assert (sys.stdout, sys.stderr) == (None, None)


# --- packages and paths ---


def test_a_package_that_is_needed_later_is_missed_at_once(monkeypatch):
    need("numpy")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    message = "program: expected the package matplotlib, got none installed; run pip install matplotlib"
    with pytest.raises(OutputError, match=message):
        need("numpy", "matplotlib")


def test_pictures_say_what_they_lack(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.delitem(sys.modules, "minicnn.train.plots.drawing", raising=False)  # another test may have drawn
    message = "pictures: expected the package matplotlib, got none installed; run pip install matplotlib"
    with pytest.raises(OutputError, match=message):
        plots.learning_curves([], tmp_path / "curves.png")


def test_a_path_is_checked_and_its_home_folder_found(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert path("~/runs") == tmp_path / "runs"
    assert path("a~b") == Path("a~b")
    for wrong in ("", "a\0b"):
        with pytest.raises(argparse.ArgumentTypeError, match="expected a path, got ''" if not wrong else r"got 'a\\x00b'"):
            path(wrong)
    with pytest.raises(argparse.ArgumentTypeError, match="expected a home folder for '~nobody-here/x', got none"):
        path("~nobody-here/x")


def test_an_output_folder_is_made_and_left_empty(tmp_path):
    assert prepare(tmp_path / "a" / "b", "--out") == tmp_path / "a" / "b"
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_an_output_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for wrong, why in ((tmp_path / "file", "File exists"), (tmp_path / "file" / "runs", "Not a directory")):
        with pytest.raises(OptionError) as caught:
            prepare(wrong, "--out")
        assert str(caught.value) == f"--out: expected a folder to write to, got {wrong}: {why}; give another folder"


def test_two_programs_may_look_at_one_output_folder(tmp_path):
    refused = []

    def look():
        try:
            for _ in range(200):
                prepare(tmp_path, "--out")
        except OptionError as error:
            refused.append(error)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == []


# --- files ---

HINT = "check the folder, its permissions and its free space"


@pytest.fixture
def small_files():
    """No file may grow beyond 1,000 bytes, as where a disk is full."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, old)


@pytest.mark.usefixtures("small_files")
def test_a_picture_that_does_not_fit_on_the_disk_is_one_sentence_and_leaves_nothing(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(OutputError) as caught:
        plots.kernels(np.eye(5, dtype=np.float32)[None], tmp_path / "kernels.png")
    assert str(caught.value) == f"{tmp_path}/kernels.png: expected to write a picture, got file too large; {HINT}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("small_files")
def test_a_result_that_does_not_fit_leaves_the_older_one(tmp_path):
    metrics.write_json(tmp_path / "metrics.json", {"seed": 1})
    with pytest.raises(OutputError, match="expected to write a result, got file too large"):
        metrics.write_json(tmp_path / "metrics.json", {"rows": ["x"] * 1000})
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]
    assert metrics.read_json(tmp_path / "metrics.json", {"seed": int}) == {"seed": 1}


def test_a_folder_in_the_way_of_a_result_is_one_sentence(tmp_path):
    (tmp_path / "metrics.json").mkdir()
    with pytest.raises(OutputError) as caught:
        metrics.write_json(tmp_path / "metrics.json", {})
    assert str(caught.value) == f"{tmp_path}/metrics.json: expected to write a result, got a directory; {HINT}"
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


@pytest.mark.parametrize("wrong", ["", "/", "a\0b"])
def test_what_is_no_name_of_a_file_is_refused(wrong):
    with pytest.raises(OutputError) as caught, outfile(wrong, "a result"):
        pass
    assert str(caught.value) == f"{wrong!r}: expected to write a result, got no name of a file; give the path of a file"


GIVEN = {
    "nothing": "",
    "no JSON": "{",
    "a list": "[]",
    "another file": '{"seed": 1}',
    "null": '{"error": null}',
    "true": '{"error": true}',
    "no finite number": '{"error": 1e999}',
    "a number beyond all": '{"error": 1' + 400 * "0" + "}",
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("case", GIVEN)
def test_a_result_that_is_none_is_refused(tmp_path, case):
    (tmp_path / "result.json").write_text(GIVEN[case])
    words = "got no JSON" if case in ("nothing", "no JSON", "deep") else "whose error is of type float, got another file"
    with pytest.raises(DataError) as caught:
        metrics.read_json(tmp_path / "result.json", {"error": float})
    assert str(caught.value).startswith(f"{tmp_path}/result.json: expected the result of a run, ")
    assert str(caught.value).endswith(f"{words}; delete it, or give another folder")


def test_a_result_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"expected the result of a run, got a directory; delete it, or give another folder"):
        metrics.read_json(tmp_path, {})


def test_a_file_gets_its_bytes_before_its_name(tmp_path):
    with outfile(tmp_path / "a", "a result") as file:
        file.write(b"x")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_bytes() == b"x"


def test_streams_of_closed_numbers_are_taken_by_nothing_else(tmp_path):
    code = (
        "from minicnn.cli.console import program\n"
        "@program()\n"
        "def main():\n"
        f"    file = open({str(tmp_path / 'kept')!r}, 'w')\n"
        "    print('lost')\n"
        "    assert file.fileno() > 2, file.fileno()\n"
        "    return 7\n"
        "raise SystemExit(main())\n"
    )
    command = ["/bin/sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, code]
    assert subprocess.run(command, cwd=Path(__file__).parents[2], check=False).returncode == 7


# --- packages ---


def wanted():
    """The packages that the project's code asks for by name: in ``need`` and ``lacking``, and those that may be missing."""
    found = set(OPTIONAL)
    for folder in ("minicnn", "examples", "benchmarks"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("need", "lacking"):
                    names = node.args if node.func.id == "need" else node.args[1:2]
                    found |= {each.value for name in names for each in ast.walk(name) if isinstance(each, ast.Constant)}
    return sorted(name for name in found if isinstance(name, str))


def test_hints_name_what_pip_installs():
    names, known = wanted(), importlib.metadata.packages_distributions()
    assert {"PIL", "sklearn", "prometheus_client", "uvicorn", "onnx", "h5py"} <= set(names)
    for name in names:
        hint = lacking("who", name, ModuleNotFoundError()).hint
        distributions = [each.lower().replace("_", "-") for each in known.get(name, [name])]
        assert hint.removeprefix("run pip install ").lower() in distributions, name
    assert str(lacking("who", "PIL", ImportError("broken"))).endswith("or run pip install --force-reinstall Pillow")
    with pytest.raises(OutputError, match=r"expected the package Pillow, got none installed; run pip install Pillow$"):
        raise lacking("program", "PIL", ModuleNotFoundError())


def test_a_missing_package_of_another_name_is_named_for_pip(capsys):
    assert raising(import_error("sklearn.base"))() == 2
    words = "program: expected the package scikit-learn, got none installed; run pip install scikit-learn"
    assert capsys.readouterr().err == f"error: {words}\n"
