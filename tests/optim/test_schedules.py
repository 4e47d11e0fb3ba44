"""Schedules against PyTorch's, over whole runs of any length."""

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn import OptionError
from minicnn.optim.schedules import ConstantRate, Cosine, LinearWarmUp, OneCycle, StepDecay


def factors(schedule, total):
    return [schedule(step, total) for step in range(total)]


def rates_of(make, total):
    """The rates that a scheduler of PyTorch gives to an optimiser with rate 1."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def one_cycle(total, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    rates = []
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=1.0,
        total_steps=total,
        pct_start=pct_start,
        div_factor=div_factor,
        final_div_factor=final_div_factor,
        cycle_momentum=False,
    )
    for step in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < total - 1:
            scheduler.step()
    return rates


@pytest.mark.parametrize("total", [2, 3, 7, 100])
@pytest.mark.parametrize(
    "options", [{}, {"pct_start": 0.45}, {"pct_start": 0.9, "div_factor": 10.0, "final_div_factor": 100.0}, {"pct_start": 0.0}]
)
def test_one_cycle_is_pytorchs(total, options):
    assert factors(OneCycle(**options), total) == pytest.approx(one_cycle(total, **options), rel=1e-9)


@pytest.mark.parametrize("total", [1, 2, 10, 37])
@pytest.mark.parametrize("floor", [0.0, 0.1, 1.0])
def test_cosine_is_pytorchs(total, floor):
    expected = rates_of(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=total, eta_min=floor), total)
    assert factors(Cosine(floor), total) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("times", [1, 2, 3, 5])
def test_step_is_pytorchs(times):
    expected = rates_of(lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=30 // times, gamma=0.1), 30)
    assert factors(StepDecay(times=times, factor=0.1), 30) == pytest.approx(expected)


def test_step_over_a_run_that_its_parts_do_not_divide():
    assert factors(StepDecay(times=3, factor=0.5), 7) == [1, 1, 1, 0.5, 0.5, 0.25, 0.25]


def test_fixed():
    assert factors(ConstantRate(), 3) == [1, 1, 1]


def test_warm_up_rises_in_a_straight_line_and_hands_over():
    assert factors(LinearWarmUp(0.4, Cosine()), 10) == [0.25, 0.5, 0.75, 1.0, *factors(Cosine(), 6)]
    assert factors(LinearWarmUp(0.0, StepDecay(times=2)), 6) == factors(StepDecay(times=2), 6)
    assert factors(LinearWarmUp(1.0, Cosine()), 4) == [0.25, 0.5, 0.75, 1.0]


@examples(200)
@given(
    schedule=st.one_of(
        st.builds(OneCycle, pct_start=st.floats(0, 1), div_factor=st.floats(1, 100), final_div_factor=st.floats(1, 1e5)),
        st.builds(Cosine, st.floats(0, 1)),
        st.builds(StepDecay, times=st.integers(1, 5), factor=st.floats(0.01, 1)),
        st.builds(LinearWarmUp, st.floats(0, 1), st.sampled_from([ConstantRate(), Cosine(), OneCycle(), StepDecay()])),
    ),
    total=st.integers(1, 60),
)
def test_every_factor_of_every_run_lies_between_0_and_1(schedule, total):
    for step in range(total):
        factor = schedule(step, total)
        assert isinstance(factor, float)
        assert 0 <= factor <= 1 + 1e-12


def test_a_rise_of_one_step_is_at_its_peak_at_once():
    assert OneCycle(pct_start=0.1)(0, 10) == 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StepDecay(times=0), "StepDecay: expected times as a whole number of at least 1, got 0; give times=1"),
        (lambda: Cosine(floor=-0.1), "Cosine: expected floor in [0, 1], got -0.1; choose floor as a share of the run"),
        (lambda: Cosine(floor=1.1), "Cosine: expected floor in [0, 1], got 1.1; choose floor as a share of the run"),
        (
            lambda: OneCycle(pct_start=2),
            "OneCycle: expected pct_start in [0, 1], got 2; choose pct_start as a share of the run",
        ),
        (
            lambda: OneCycle(pct_start=float("nan")),
            "OneCycle: expected pct_start in [0, 1], got nan; choose pct_start as a share of the run",
        ),
        (lambda: LinearWarmUp(share=-1), "LinearWarmUp: expected share in [0, 1], got -1; choose share as a share of the run"),
    ],
)
def test_an_option_outside_its_range(make, message):
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        make()


@pytest.mark.parametrize(
    ("schedule", "options"),
    [
        (OneCycle, {"div_factor": 0}),
        (OneCycle, {"final_div_factor": 0}),
        (OneCycle, {"div_factor": -1}),
        (StepDecay, {"factor": -0.5}),
        (StepDecay, {"times": 1.5}),
    ],
)
def test_an_option_that_would_divide_by_zero_or_turn_the_rate_round_is_refused(schedule, options):
    (name,) = options
    with pytest.raises(OptionError, match=rf"^{schedule.__name__}: expected {name} "):
        schedule(**options)
