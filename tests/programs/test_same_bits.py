"""benchmarks/same_bits.py: two checkouts of the same code compute the same bits, and a difference is told."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from minicnn.backends.cpu.compile.mode import CHECK, INTERPRET

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
same_bits = importlib.import_module("same_bits")


@pytest.mark.skipif(INTERPRET or CHECK, reason="what other modes compute takes long")
def test_a_checkout_computes_what_it_computes(capsys):
    assert same_bits.main([str(ROOT), "--only", "modern", "--steps", "2"]) == 0
    assert capsys.readouterr().out == "48 of 48 equal\n"


def test_a_difference_is_reported(capsys, monkeypatch):
    hashes = {same_bits.HERE: {"a": "1", "b": "2", "d": "4"}, Path("there"): {"a": "1", "b": "3", "c": "5"}}
    monkeypatch.setattr(same_bits, "ask", lambda checkout, *question: hashes[checkout])
    assert same_bits.compare_bits(Path("there"), 1, "") == 1
    assert capsys.readouterr().out.splitlines() == [
        "b: 3 there, 2 here",
        "c: 5 there, absent here",
        "d: absent there, 4 here",
        "1 of 4 equal",
    ]


def test_times_are_compared_in_turns(capsys, monkeypatch):
    def found(checkouts, name, threads, rounds):
        assert checkouts == (Path("there"), same_bits.HERE, Path("there"))
        assert rounds == 1
        return {"training": [[4.0, 3.0, 9.0], [2.0], [5.0, 5.0]]}

    monkeypatch.setattr(same_bits, "taken_in_turns", found)
    monkeypatch.setattr(same_bits, "ask", lambda *question, **variables: {"start": 1.0})
    assert same_bits.compare_times(Path("there"), 1) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["classic:", "training,", "one", "thread", "4.0000", "2.0000", "2.000", "0.800"]
    assert lines[2].split()[:4] == ["classic:", "training,", "2", "threads"]
    assert [line.split(",")[0] for line in lines[9:]] == ["start", "start"]  # warm and cold


@pytest.mark.skipif(INTERPRET or CHECK, reason="what other modes compute takes long")
def test_processes_take_turns(monkeypatch):
    monkeypatch.setitem(same_bits.COUNTS, "modern", {"training": 1, "one image": 2})
    found = same_bits.taken_in_turns((ROOT, ROOT), "modern", 1, rounds=2)
    assert list(found) == ["training", "one image"]
    assert all(len(own) == 2 * same_bits.EACH and min(own) > 0 for turns in found.values() for own in turns)


def test_a_process_answers_in_json(capsys, monkeypatch):
    monkeypatch.setattr(same_bits, "start", lambda: {"to the first step": 0.5})
    assert same_bits.main(["--answer", "start"]) == 0
    assert json.loads(capsys.readouterr().out) == {"to the first step": 0.5}


def test_what_is_no_checkout_is_refused(capsys, tmp_path):
    with pytest.raises(SystemExit, match="2"):
        same_bits.main([str(tmp_path)])
    assert "expected a checkout with benchmarks/same_bits.py" in capsys.readouterr().err


def test_a_checkout_that_fails_is_reported(tmp_path):
    script = tmp_path / "benchmarks" / "same_bits.py"
    script.parent.mkdir()
    script.write_text("raise SystemExit(3)")
    with pytest.raises(SystemExit, match="to end with 0, got 3"):
        same_bits.ask(tmp_path, "bits")
