"""The benchmarks: that they measure what they say, compare before they measure, and complain in one sentence."""

import importlib
import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minicnn.backends.cpu.compile.cache import words
from minicnn.backends.cpu.compile.mode import CHECK, INTERPRET
from minicnn.backends.processors import usable_cpus

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
harness = importlib.import_module("harness")
conv_bench = importlib.import_module("conv_bench")

measurable = pytest.mark.skipif(INTERPRET or CHECK, reason="kernels are not what they are when they are measured")
small = conv_bench.Case("small", 4, 8, 3, 6, padding=1)


def run(*options):
    """The benchmark in a process of its own, without minicnn's modes."""
    modes = ("NUMBA_DISABLE_JIT", "MINICNN_CHECK")
    environment = {name: value for name, value in os.environ.items() if name not in modes}
    command = [sys.executable, str(BENCHMARKS / "conv_bench.py"), *map(str, options)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def main(*options):
    return harness.run("conv_bench", conv_bench.benchmark, list(map(str, options)))


# --- the harness ---


def test_a_reader_who_has_seen_enough_ends_it_without_a_word():
    code = (
        "import harness, sys; sys.exit(harness.run('bench', lambda options: [harness.say('y' * 99) for _ in range(9999)], []))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=BENCHMARKS, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 141


def test_contenders_run_in_turn():
    turns = []
    contenders = {name: lambda name=name: turns.append(name) for name in "ABC"}
    timings = harness.interleaved(contenders, rounds=4, least=0.0)
    lead_in = 4  # a warm-up and three calls to learn how many calls make a sample
    assert turns[: 3 * lead_in] == ["A"] * lead_in + ["B"] * lead_in + ["C"] * lead_in
    assert turns[3 * lead_in :] == ["A", "A", "B", "B", "C", "C"] * 4  # one untimed, one timed
    assert [len(timings[name].samples) for name in "ABC"] == [4, 4, 4]


def test_a_sample_lasts_as_long_as_asked():
    timings = harness.interleaved({"A": lambda: sum(range(1000))}, rounds=3, least=0.005)
    a = timings["A"]
    assert a.calls > 10
    assert a.median * a.calls > 0.001


def test_a_contender_that_makes_several_calls_in_one_is_asked_once_for_a_sample(monkeypatch):
    asked = []
    monkeypatch.setattr(harness, "calls_for", lambda work, least: 5)
    timings = harness.interleaved({"A": harness.Looped(asked.append)}, rounds=2, least=0.0)
    assert asked == [1, 5, 1, 5]
    assert timings["A"].calls == 5


def test_waits_for_spinning_threads_where_there_are_several():
    timings = harness.interleaved({"A": lambda: None}, rounds=2, least=0.0, threads=2)
    assert len(timings["A"].samples) == 2


def test_timing_statistics():
    timing = harness.Timing((1.0, 2.0, 3.0, 4.0, 100.0), calls=7)
    assert timing.median == 3.0
    assert timing.quartiles == (2.0, 4.0)
    assert timing.spread == pytest.approx(2 / 3)
    metadata = timing.figures()
    assert metadata == {
        "median_s": 3.0,
        "quartile_1_s": 2.0,
        "quartile_3_s": 4.0,
        "min_s": 1.0,
        "max_s": 100.0,
        "spread": pytest.approx(2 / 3),
        "samples": 5,
        "calls": 7,
    }
    assert harness.gflops(3_000_000_000, timing) == pytest.approx(2.0)


def test_geometric_mean():
    assert harness.geometric_mean([2.0, 8.0]) == pytest.approx(4.0)
    assert harness.geometric_mean([]) is None


@measurable
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_peak_loop_makes_the_multiply_adds_it_counts(dtype):
    peak = harness.Peak(1, dtype)
    peak()
    ((program,), _), *_ = peak._tasks[0].parts
    a, b, _, c = program.calls[0].arrays
    rows, columns, steps = harness.PEAK_ROWS, harness.PEAK_COLUMNS, harness.PEAK_STEPS
    vector = len(b)
    np.testing.assert_allclose(c.reshape(rows, vector), np.tile(steps * a[0] * b, (rows, 1)), rtol=1e-3, atol=1e-3)
    assert peak.multiply_adds == harness.PEAK_REPEATS * steps * rows * vector
    assert columns * harness.HOST.width(np.dtype(dtype).itemsize) == vector


@measurable
def test_peak_is_a_rate_that_a_vector_unit_reaches():
    peak = harness.Peak(1)
    timing = harness.interleaved({"peak": peak}, rounds=3, least=0.001)["peak"]
    assert 1 < harness.gflops(peak.multiply_adds, timing) < 2000
    assert 1 < peak.best < 2000


def test_machine_info_name_versions_and_no_place():
    metadata = harness.machine_info(1, peers=("torch", "a_library_that_is_absent"))
    assert metadata["a_library_that_is_absent"] is None
    assert metadata["numpy"] == np.__version__
    assert metadata["cpu"]
    line = harness.machine_line(metadata)
    assert "a_library_that_is_absent –" in line
    assert f"1 of {usable_cpus()} processors" in line


def test_table_is_aligned():
    columns = (harness.Column("shape", 8), harness.Column("rate", 6, ".1f"), harness.Column("% peak", 6, ".0%"))
    lines = harness.heading(columns).splitlines()
    lines += [harness.line(columns, ("1→6", 12.34, 0.5)), harness.line(columns, ("6→16", None, None))]
    assert lines[0] == "shape       rate  % peak"
    assert lines[2] == "1→6         12.3     50%"
    assert lines[3] == "6→16           –       –"
    assert len(lines[1]) == len(lines[0])


def test_json_keeps_letters(tmp_path):
    harness.write_json(tmp_path / "r.json", {"case": "1→6", "torch": None})
    text = (tmp_path / "r.json").read_text(encoding="utf-8")
    assert "1→6" in text
    assert json.loads(text) == {"case": "1→6", "torch": None}


# --- the convolutions ---


def test_cases_count_as_the_definition_says():
    c3 = conv_bench.CASES[2]
    assert c3.multiply_adds == 16 * 10 * 10 * 6 * 5 * 5
    assert [c3.reduction(which, 2) for which in conv_bench.PASSES] == [150, 400, 200]
    grouped = next(case for case in conv_bench.CASES if case.groups == 4)
    assert grouped.multiply_adds == 64 * 16 * 16 * 16 * 9
    labels = [case.label for case in conv_bench.CASES]
    assert len(set(labels)) == len(labels)
    assert max(map(len, labels)) <= conv_bench.COLUMNS[0].width


@pytest.mark.torch
@measurable
@pytest.mark.parametrize("case", conv_bench.CASES, ids=lambda case: case.label)
def test_all_contenders_compute_the_same(case):
    torch = pytest.importorskip("torch")
    found = conv_bench.contenders(case, 3, 1, torch)
    assert list(found) == ["im2col", "direct", "torch contiguous", "torch channels_last"]
    for which in conv_bench.PASSES:
        conv_bench.compare(case, 3, which, found)


@measurable
@pytest.mark.parametrize("batch", [1, 16, 33, 150])
def test_any_batch_and_two_threads_give_the_same(batch):
    for threads in range(1, min(2, usable_cpus()) + 1):
        found = conv_bench.contenders(small, batch, threads, None)
        for which in conv_bench.PASSES:
            conv_bench.compare(small, batch, which, found)
            for contender in found.values():
                once = contender.answer(which)
                assert np.array_equal(contender.answer(which), once), "a second call must not add to the first"


@measurable
def test_a_pass_holds_its_own_kernels_only():
    own = conv_bench.Own(small, conv_bench.Data.of(small, 16), "im2col", 1)
    names = {which: [call.name for call in own.programs(which)[0].calls] for which in conv_bench.PASSES}
    assert set(names["forward"]) == {"im2col", "gemm_bias"}
    assert set(names["input"]) == {"zero", "gemm_tn", "col2im_add"}
    assert set(names["weight"]) == {"im2col", "gemm_nt_add"}


@measurable
def test_packing_belongs_to_the_pass_that_reads_it():
    own = conv_bench.Own(small, conv_bench.Data.of(small, 16), "direct", 1)
    packing = {w: [call.name for call in own.prepare(own.programs(w)).calls] for w in conv_bench.PASSES}
    assert packing == {"forward": ["pack_filters"], "input": ["pack_channels"], "weight": []}


@measurable
def test_wrong_results_stop_the_benchmark_before_it_times(monkeypatch, capsys):
    right = conv_bench.Own.answer
    monkeypatch.setattr(
        conv_bench.Own, "answer", lambda own, which: right(own, which) + (own.net.layers[0].layer.algorithm == "auto")
    )
    monkeypatch.setattr(conv_bench, "interleaved", lambda *_: pytest.fail("timed before it was compared"))
    assert main("--quick", "--only", "C1", "--repeats", 1) == 1
    error = capsys.readouterr().err
    assert error.startswith("conv_bench: LeNet C1 1→6 5×5 on 32×32, forward: ")
    assert "differ by 1" in error
    assert error.count("\n") == 1


@measurable
def test_a_nan_is_a_wrong_result():
    found = conv_bench.contenders(small, 2, 1, None)
    found["im2col"].answer = lambda which: np.full((2, 8, 6, 6), np.nan, np.float32)
    with pytest.raises(harness.BenchmarkError, match="differ by nan"):
        conv_bench.compare(small, 2, "forward", found)


@measurable
def test_runs_without_torch(monkeypatch, capsys):
    monkeypatch.setattr(harness, "peer", lambda name: None)
    assert main("--quick", "--only", "C5", "--repeats", 1) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("LeNet C5")]
    assert len(rows) == 3
    assert all(row.count(" –") == 3 for row in rows)  # torch, its layout, and the ratio


# --- the command line ---


def test_quick_run_in_a_process_of_its_own(tmp_path):
    path = tmp_path / "conv.json"
    done = run("--quick", "--repeats", 2, "--json", path)
    assert done.returncode == 0, done.stderr
    assert done.stderr in ("", f"minicnn: {words()}\n")  # the latter where kernels had to be compiled first
    assert "geometric mean" in done.stdout
    assert "compiled" in done.stdout
    text = path.read_text(encoding="utf-8")
    for private in (str(BENCHMARKS.parent), str(tmp_path), str(Path.home()), socket.gethostname()):
        assert private not in text
        assert private not in done.stdout
    check_schema(json.loads(text))


def check_schema(report):
    assert set(report) == {"benchmark", "machine", "settings", "compile", "batches"}
    machine = {"cpu", "processors", "threads", "vector_unit", "python", "numpy", "numba", "minicnn", "torch"}
    assert set(report["machine"]) == machine
    assert report["settings"] == {"threads": 1, "quick": True, "samples": 2, "least_s": 0.002}
    assert report["compile"]["kernels"] >= report["compile"]["compiled"] >= 0
    assert report["compile"]["seconds"] > 0
    (batch,) = report["batches"]
    assert batch["batch"] == 32
    assert [(row["case"], row["pass"]) for row in batch["rows"]] == [
        (case.label, which) for case in conv_bench.QUICK for which in conv_bench.PASSES
    ]
    for row in batch["rows"]:
        check_row(row, report["machine"]["torch"] is not None)
    assert [means["pass"] for means in batch["geometric_means"]] == ["forward", "input", "weight", "all"]
    everything = batch["geometric_means"][-1]
    assert everything["control_low"] <= everything["direct_over_direct"] <= everything["control_high"]
    assert batch["loading"]["median_s"] > 0


def check_row(row, torch):
    names = ["im2col", "direct", *(["torch contiguous", "torch channels_last"] if torch else []), "direct again"]
    assert list(row["contenders"]) == names
    for figures in row["contenders"].values():
        assert figures["samples"] == 2
        assert figures["min_s"] <= figures["quartile_1_s"] <= figures["median_s"] <= figures["quartile_3_s"] <= figures["max_s"]
        assert math.isclose(figures["gflops"], 2e-9 * row["multiply_adds"] / figures["median_s"])
    assert row["peak_meanwhile_gflops"] > 0
    rates = {name: figures["gflops"] for name, figures in row["contenders"].items()}
    assert math.isclose(row["direct_over_im2col"], rates["direct"] / rates["im2col"])
    assert math.isclose(row["direct_share_of_peak"], rates["direct"] / row["peak_gflops"])
    assert (row["direct_over_torch"] is None) == (row["torch"] is None) == (not torch)
    if torch:
        assert math.isclose(
            row["direct_over_torch"], rates["direct"] / max(rates["torch contiguous"], rates["torch channels_last"])
        )


@measurable
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--threads", 0], "expected --threads "),
        (["--threads", 4096], "expected --threads "),
        (["--threads", "two"], "argument --threads: invalid int value: 'two'"),
        (["--repeats", 0], "expected --repeats of at least 1, got 0"),
        (["--batch", 32, 0], "expected --batch of at least 1, got 0"),
        (["--only", "nothing"], "expected --only as a part of a shape's name, got 'nothing'"),
        (["--json", "no/such/folder/r.json"], "cannot write --json no/such/folder/r.json: no such file or directory"),
        (["--json", "."], "cannot write --json .: is a directory"),
        (["--what"], "unrecognized arguments: --what"),
    ],
)
def test_a_wrong_request_is_one_sentence(options, sentence, capsys):
    assert main(*options) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"conv_bench: {sentence}")
    assert printed.err.count("\n") == 1


def test_a_wrong_request_ends_the_process_with_2(tmp_path):
    done = run("--threads", 0)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("conv_bench: expected --threads ")
    assert "Traceback" not in done.stderr


@measurable
def test_an_unwritable_file_is_reported_before_anything_is_measured(tmp_path, capsys):
    assert main("--json", tmp_path / "missing" / "r.json") == 2
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("mode", "name"), [("INTERPRET", "NUMBA_DISABLE_JIT"), ("CHECK", "MINICNN_CHECK")])
def test_refuses_modes_that_make_timings_meaningless(mode, name, monkeypatch, capsys):
    monkeypatch.setattr(harness, "INTERPRET", False)
    monkeypatch.setattr(harness, mode, True)
    assert main("--quick") == 2
    assert f"{name} is set" in capsys.readouterr().err


# --- training and inference ---

cases = importlib.import_module("harness.cases")
infer_bench = importlib.import_module("infer_bench")
train_bench = importlib.import_module("train_bench")


@pytest.fixture
def unpinned():
    """A benchmark keeps its process to some processors: give them back."""
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


@pytest.fixture
def only_torch(monkeypatch):
    """Leave out the peers that take long to compile, and those that the tests do not install."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(harness, "peer", lambda name: torch if name == "torch" else None)
    module = importlib.import_module("peers.train_torch")
    eager = module.Torch
    monkeypatch.setattr(module, "Torch", lambda case, net, data, last, compiled: eager(case, net, data, last, False))


def train(*given):
    return harness.run("train_bench", train_bench.benchmark, list(map(str, given)))


def test_nominal_multiply_adds_are_those_of_the_links_there_are():
    found = {case.name: cases.multiply_adds(case.make(threads=1)) for case in cases.CASES}
    assert found["lenet5"] == found["lenet5s"] == 3 * 326_520 - 117_600
    assert found["lenet5_modern"] == 3 * 416_520 - 117_600


@pytest.mark.torch
@measurable
@pytest.mark.usefixtures("unpinned", "only_torch")
def test_training_is_compared_before_it_is_timed(tmp_path, capsys):
    code = train("--quick", "--repeats", "1", "--only", "lenet5", "--json", tmp_path / "t.json")
    assert code == 0, capsys.readouterr().err
    report = json.loads((tmp_path / "t.json").read_text())
    assert [row["network"] for row in report["rows"]] == [case.name for case in cases.CASES if "lenet5" in case.name]
    for row in report["rows"]:
        assert row["over_eager"] == pytest.approx(row["eager_s"] / row["minicnn_s"])
        assert row["over_best"] == pytest.approx(min(row["eager_s"], row["compiled_s"]) / row["minicnn_s"])
        peers = {f"{form} {layout}" for form in ("eager", "compiled") for layout in ("contiguous", "last")}
        assert set(row["timings"]) == {"own", "control", "peak"} | peers


@pytest.mark.torch
@measurable
@pytest.mark.usefixtures("unpinned", "only_torch")
def test_another_rate_is_found_before_anything_is_timed(monkeypatch, capsys):
    monkeypatch.setattr(train_bench, "Adam", train_bench.SGD)
    assert train("--quick", "--only", "modern") == 1
    assert "lenet5_modern: losses of eager contiguous differ by" in capsys.readouterr().err


@measurable
@pytest.mark.usefixtures("unpinned")
def test_training_without_peers_is_timed_alone(monkeypatch, capsys):
    monkeypatch.setattr(harness, "peer", lambda name: None)
    assert train("--quick", "--repeats", "1", "--only", "lenet5,") == 0
    assert "lenet5, floats" in capsys.readouterr().out


@measurable
def test_a_network_that_is_not_there(capsys):
    assert train("--only", "vgg") == 2
    printed = capsys.readouterr().err
    names = "lenet5, lenet5, floats, lenet5s, lenet5_modern, cifar_cnn"
    assert printed == f"train_bench: expected --only as a part of one of {names}, got 'vgg'\n"


@pytest.mark.torch
@measurable
@pytest.mark.usefixtures("unpinned", "only_torch")
def test_inference_is_compared_before_it_is_timed(monkeypatch, tmp_path, capsys):
    given = ["--quick", "--repeats", "1", "--json", str(tmp_path / "i.json")]
    assert harness.run("infer_bench", infer_bench.benchmark, given) == 0, capsys.readouterr().err
    rows = json.loads((tmp_path / "i.json").read_text())["rows"]
    assert [(row["network"], row["batch"]) for row in rows] == [("lenet5", batch) for batch in infer_bench.BATCHES]
    assert all(row["over_best"] == pytest.approx(row["torch_us"] / row["minicnn_us"]) for row in rows)
    works = infer_bench.works_of
    monkeypatch.setattr(infer_bench, "works_of", lambda *given: works(*given) | {"onnx": lambda: works(*given)["own"]() + 1})
    assert harness.run("infer_bench", infer_bench.benchmark, given) == 1
    assert "infer_bench: lenet5: outputs of onnx differ by" in capsys.readouterr().err


image_bench = importlib.import_module("image_bench")


def few(*given):
    return harness.run("image_bench", image_bench.benchmark, list(map(str, given)))


@pytest.mark.torch
@measurable
@pytest.mark.usefixtures("unpinned", "only_torch")
def test_a_few_images_are_compared_before_they_are_timed(monkeypatch, tmp_path, capsys):
    given = ["--quick", "--repeats", "1", "--batches", 1, 3, "--json", tmp_path / "i.json"]
    assert few(*given) == 0, capsys.readouterr().err
    rows = json.loads((tmp_path / "i.json").read_text())["rows"]
    assert [(row["network"], row["batch"]) for row in rows] == [("mnist_convnet", 1), ("mnist_convnet", 3)]
    assert all(row["over_best"] == pytest.approx(row["torch_us"] / row["minicnn_us"]) for row in rows)
    works = image_bench.works_of
    monkeypatch.setattr(image_bench, "works_of", lambda *given: works(*given) | {"onnx": lambda: works(*given)["own"]() + 1})
    assert few(*given) == 1
    assert "image_bench: mnist_convnet: outputs of onnx differ by" in capsys.readouterr().err


@measurable
@pytest.mark.usefixtures("unpinned")
def test_litert_has_a_column(monkeypatch, tmp_path, capsys):
    litert = importlib.import_module("peers.litert")
    monkeypatch.setattr(harness, "peer", lambda name: None)
    assert litert.predicting(None, None, 1) == {}
    monkeypatch.setattr(litert, "predicting", lambda net, x, threads: {"litert": lambda: net.predict(x)})
    given = ["--quick", "--repeats", "1", "--batches", 2, "--json", tmp_path / "i.json"]
    assert few(*given) == 0, capsys.readouterr().err
    (row,) = json.loads((tmp_path / "i.json").read_text())["rows"]
    assert row["litert_us"] == pytest.approx(1e6 * row["timings"]["litert"]["median_s"])
    assert row["over_best"] == pytest.approx(row["litert_us"] / row["minicnn_us"])
    monkeypatch.setattr(litert, "predicting", lambda net, x, threads: {"litert": lambda: net.predict(x) + 1})
    assert few(*given) == 1
    assert "image_bench: mnist_convnet: outputs of litert differ by" in capsys.readouterr().err


@measurable
def test_a_network_or_a_batch_that_is_not_there(capsys):
    assert few("--networks", "vgg") == 2
    assert capsys.readouterr().err.startswith("image_bench: expected --networks out of mnist_convnet; colour 48; ")
    assert few("--batches", 0) == 2
    assert capsys.readouterr().err == "image_bench: expected --batches of at least 1, got 0\n"


# --- whole processes ---

fast_bench = importlib.import_module("fast_bench")
processes = importlib.import_module("harness.processes")
startup_bench = importlib.import_module("startup_bench")


def test_a_process_is_timed_and_its_output_kept(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    code = "import os, sys, time; print(os.environ['ANSWER'], sys.dont_write_bytecode, time.time())"
    found = processes.python(["-c", code], {"ANSWER": "42"})
    answer, without_bytecode, now = found.output.split()
    assert (answer, without_bytecode) == ("42", "False")
    assert 0 < float(now) - found.started < found.seconds < 60


def test_a_first_step_is_timed_until_it_is_done():
    run = processes.Finished(100.0, 9.0, "101.5 28 3 0.25\n2048\n")
    figures = {"kernels": 28, "compiled": 3, "compile_seconds": 0.25}
    assert startup_bench.row("step", [run]) == {
        "what": "step", "seconds": 1.5, "least": 1.5, "most": 1.5, "megabytes": 2.0
    } | figures  # fmt: skip


def test_a_process_that_fails_is_reported():
    with pytest.raises(harness.BenchmarkError, match=r"^expected -c to end with 0, got 3$"):
        processes.python(["-c", "raise SystemExit(3)"], {})


@measurable
def test_starting_is_measured_cold_and_warm(tmp_path, capsys):
    given = ["--quick", "--source", "subset", "--json", str(tmp_path / "s.json")]
    assert harness.run("startup_bench", startup_bench.benchmark, given) == 0, capsys.readouterr().err
    imported, warm, cold = json.loads((tmp_path / "s.json").read_text())["rows"]
    assert imported["kernels"] is None
    assert warm["kernels"] == cold["kernels"] == cold["compiled"] > 0
    assert warm["compiled"] == 0
    assert imported["seconds"] < warm["seconds"] < cold["seconds"]


@measurable
@pytest.mark.usefixtures("unpinned")
def test_the_way_to_99_percent_is_reported_run_by_run(monkeypatch, tmp_path, capsys):
    printed = iter([(1.0, 99.0), (4.0, 99.1), (2.0, 99.2), (6.0, 99.3)])
    monkeypatch.setattr(fast_bench, "run", lambda arguments, threads: next(printed))
    given = ["--quick", "--json", str(tmp_path / "f.json")]
    assert harness.run("fast_bench", fast_bench.benchmark, given) == 0, capsys.readouterr().err
    (row,) = json.loads((tmp_path / "f.json").read_text())["rows"]
    assert row == {"seed": 0, "minicnn_s": 2.0, "accuracy": 99.2, "torch_s": 6.0, "torch_accuracy": 99.3, "ratio": 3.0}


@measurable
def test_a_training_that_tells_no_accuracy_is_an_error(tmp_path):
    script = tmp_path / "silent.py"
    script.write_text("print('hello')")
    with pytest.raises(harness.BenchmarkError, match=r"to tell its test accuracy, got 'hello\\n'$"):
        fast_bench.run([str(script)], 1)
