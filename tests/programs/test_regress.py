"""Which speeds moved between two commits: the rule, with made times, and the commit that is unpacked."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))
harness, regress = importlib.import_module("harness"), importlib.import_module("regress")


def turns(median, deviation=0.01, count=40, seed=0):
    """Seconds of turns around a median."""
    return list(median * (1 + deviation * np.random.default_rng(seed).standard_normal(count)))


@pytest.mark.parametrize(
    ("here", "again", "word"),
    [
        (0.5, 1.0, "faster"),
        (1.5, 1.0, "slower"),
        (1.0, 1.0, ""),
        (0.96, 1.05, ""),  # the other commit differs from itself by more
        (0.9, 1.05, "faster"),
    ],
)
def test_a_row_has_moved_where_its_ratio_is_beyond_that_of_the_control(here, again, word):
    row = regress.row("classic", (turns(1.0), turns(here, seed=1), turns(again, seed=2)), 10)
    assert row["moved"] == word
    assert row["low"] <= row["ratio"] <= row["high"]
    assert row["ratio"] == pytest.approx(1 / here, rel=0.02)
    assert row["there_ms"] == pytest.approx(100, rel=0.02)


def test_wide_turns_hide_a_small_change():
    row = regress.row("classic", (turns(1.0, 0.3, 12), turns(0.97, 0.3, 12, 1), turns(1.0, 0.3, 12, 2)), 1)
    assert row["low"] < 1 < row["high"]
    assert row["moved"] == ""


def test_the_table_says_what_moved(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(regress, "unpacked", lambda commit, folder: f"{commit} in full")
    times = {"training": [turns(2.0), turns(1.0, seed=1), turns(2.0, seed=2)]}
    times["one image"] = [turns(1.0), turns(1.0, seed=1), turns(1.001, seed=2)]
    monkeypatch.setattr(regress, "taken_in_turns", lambda checkouts, name, threads, rounds: times)
    file = tmp_path / "found.json"
    assert harness.run("regress", regress.benchmark, ["HEAD", "--quick", "--json", str(file)]) == 0
    said = capsys.readouterr().out
    assert "there: HEAD in full; medians of 24 turns" in said
    assert "2 of 4 rows moved beyond noise: classic: training; modern: training" in said
    assert [row["moved"] for row in json.loads(file.read_text())["rows"]] == ["faster", "", "faster", ""]


def test_no_commit_is_one_sentence(capsys, monkeypatch):
    monkeypatch.setattr(regress, "git", lambda *arguments: None)
    assert harness.run("regress", regress.benchmark, ["nothing"]) == 2
    expected = "regress: expected a commit of this repository, got nothing; fetch it, or name another\n"
    assert capsys.readouterr().err == expected


def test_git_that_fails_or_is_not_there_says_nothing(monkeypatch):
    assert regress.git("no-such-command") is None
    monkeypatch.setenv("PATH", "")
    assert regress.git("status") is None
