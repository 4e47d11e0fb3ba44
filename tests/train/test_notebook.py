"""What a notebook shows, offers and stops, in a real kernel of IPython; and the same without one where that is enough."""

import inspect
import re
import signal
import time
from contextlib import contextmanager
from html.parser import HTMLParser

import numpy as np
import pytest

import minicnn as m
from minicnn.train import Dataset, EpochResult, Trainer, TrainingOptions
from minicnn.train.history import EpochResults

SETUP = """
import signal
import numpy as np
import minicnn as m
from minicnn.train import Callback, Dataset, Trainer, TrainingOptions

x, labels = np.random.default_rng(0).normal(size=(640, 1, 8, 8)), np.arange(640) % 3
net = m.Network([("C1", m.Conv2d(2, 3)), m.ReLU(), m.Flatten(), ("F2", m.Dense(3))], (1, 8, 8), "float64", backend="numpy")

class Steps(Callback):
    count = 0
    def on_step_end(self, score):
        self.count += 1
        if self.count == 3:
            print("three steps", flush=True)

steps = Steps()
trainer = Trainer(net, m.CrossEntropy(), m.SGD(0.01), TrainingOptions(1000), Dataset(x, labels), callbacks=[steps])
"""


class Kernel:
    """A kernel of IPython, and what it answers."""

    def __init__(self, manager, client):
        self.manager, self.client = manager, client

    def start(self, code):
        return self.client.execute(code)

    def messages(self, request, until=None):
        """What a cell shows, until it ends, or until a text comes."""
        found, end = [], time.monotonic() + 100
        while time.monotonic() < end:
            message = self.client.get_iopub_msg(timeout=100)
            if message["parent_header"].get("msg_id") != request:
                continue
            found.append((message["msg_type"], message["content"]))
            if message["content"].get("execution_state") == "idle" or (until and until in message["content"].get("text", "")):
                return found
        raise AssertionError(f"expected an end, got {found}")

    def run(self, code):
        """The messages of a cell that ends well."""
        found = self.messages(self.start(code))
        assert not [content for kind, content in found if kind == "error"], found
        return found

    def value(self, expression):
        """What a cell shows as its result, by kind."""
        return next(content["data"] for kind, content in self.run(expression) if kind == "execute_result")

    def text(self, expression):
        return self.value(expression)["text/plain"]

    def completed(self, code):
        """What is offered behind a code."""
        request = self.client.complete(code, len(code))
        while True:
            reply = self.client.get_shell_msg(timeout=100)
            if reply["parent_header"]["msg_id"] == request:
                return reply["content"]["matches"]


@contextmanager
def started(first):
    """A kernel in which a cell has run."""
    manager = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipykernel")
    made, client = manager.start_new_kernel(startup_timeout=120)
    try:
        running = Kernel(made, client)
        running.run(first)
        yield running
    finally:
        client.stop_channels()
        made.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel():
    with started(SETUP) as running:
        yield running


def said(messages, stream):
    return "".join(content["text"] for kind, content in messages if kind == "stream" and content["name"] == stream)


# --- in a kernel ---


def test_an_interrupt_stops_after_the_step_and_a_second_fit_goes_on(kernel):
    request = kernel.start("trainer.fit()")
    kernel.messages(request, until="three steps")
    kernel.manager.interrupt_kernel()
    messages = kernel.messages(request)
    assert [kind for kind, _ in messages if kind == "error"] == [], "expected no KeyboardInterrupt"
    assert "stopped in epoch" in said(messages, "stdout")
    epochs, steps, images = eval(kernel.text("len(trainer.rows), steps.count, trainer.images_done[0]"))
    assert kernel.text("trainer.interrupted") == "True"
    assert (epochs, steps - 20 * epochs) == (0 if images else epochs, images // 32), "expected whole steps"
    assert kernel.text("signal.getsignal(signal.SIGINT) is signal.default_int_handler") == "True"
    kernel.run("left = trainer.run.epochs; before = net.params.flat.copy(); rows = trainer.fit(epochs=1)")
    assert eval(kernel.text("len(rows), steps.count, trainer.interrupted")) == (epochs + 1, 20 * (epochs + 1), False)
    assert kernel.text("bool((net.params.flat != before).any())") == "True"


def test_an_interrupt_elsewhere_is_one_as_usual(kernel):
    request = kernel.start("import time; print('sleeping', flush=True); time.sleep(60)")
    kernel.messages(request, until="sleeping")
    kernel.manager.interrupt_kernel()
    assert [content["ename"] for kind, content in kernel.messages(request) if kind == "error"] == ["KeyboardInterrupt"]


TRAIN = "_ = Trainer(m.Network([m.Flatten(), m.Dense(3)], (1, 8, 8), backend='numpy'), m.CrossEntropy(), m.SGD(0.01), "
TRAIN += "TrainingOptions(2), Dataset(x, labels)"


def test_a_bar_is_a_widget_where_ipywidgets_is_installed(kernel):
    pytest.importorskip("tqdm")
    pytest.importorskip("ipywidgets")
    messages = kernel.run(f"{TRAIN}).fit()")
    views = [content["data"] for kind, content in messages if kind == "display_data"]
    assert len(views) == 2, "expected a bar for each epoch"
    assert all("application/vnd.jupyter.widget-view+json" in view for view in views)
    made = [content["data"]["state"] for kind, content in messages if kind == "comm_open"]
    bars = [state for state in made if state.get("_model_name") == "FloatProgressModel"]
    assert [state["max"] for state in bars] == [640.0, 640.0]
    texts = [state.get("value") for state in made if state.get("_model_name") == "HTMLModel"]
    updates = [content["data"].get("state", {}) for kind, content in messages if kind == "comm_msg"]
    texts += [state["value"] for state in updates if isinstance(state.get("value"), str)]
    assert any("epoch 1/2" in text for text in texts)
    assert 640.0 in [state.get("value") for state in updates], "expected a full bar"
    assert said(messages, "stderr") == ""
    assert said(messages, "stdout").count("train loss") == 2
    check_silent(kernel)


def test_a_bar_is_text_where_it_is_not():
    pytest.importorskip("tqdm")
    with started(f"import sys\nsys.modules['ipywidgets'] = None  # as if it were not installed\n{SETUP}") as kernel:
        messages = kernel.run(f"{TRAIN}).fit()")
        assert "epoch 1/2" in said(messages, "stderr")
        assert "Warning" not in said(messages, "stderr")
        assert not [kind for kind, _ in messages if kind == "display_data"]
        assert said(messages, "stdout").count("train loss") == 2
        check_silent(kernel)


def check_silent(kernel):
    """Nothing is shown where nothing is logged."""
    silent = kernel.run(f"{TRAIN}, log=None).fit()")
    assert said(silent, "stderr") == said(silent, "stdout") == ""
    assert not [kind for kind, _ in silent if kind == "display_data"]


def test_completion_offers_the_public_names(kernel):
    offered = {name.removeprefix("m.") for name in kernel.completed("m.")}
    assert {"Network", "Conv2d", "load", "models", "train"} <= offered
    assert offered <= {*m.__all__, *m.MODULES}
    own = {name.removeprefix("net.") for name in kernel.completed("net.")}
    assert {"params", "predict", "summary", "loss_and_grads"} <= own
    assert not [name for name in own if name.startswith("_")]


@pytest.mark.parametrize("vector", ["params", "grads"])
def test_names_of_parameters_complete(kernel, vector):
    assert [name.strip('"]') for name in kernel.completed(f'net.{vector}["C')] == ["C1.W", "C1.b"]


def test_values_are_shown_as_html_and_figures_as_pictures(kernel):
    pytest.importorskip("matplotlib")
    for expression in ("net", "net.program()", "net.evaluate(m.CrossEntropy(), x, labels)", "trainer.rows"):
        shown = kernel.value(expression)
        assert shown["text/html"].startswith(("<table>", "<pre>")), expression
        assert "text/plain" in shown
    kernel.run("from minicnn.train import plots")
    assert kernel.value("plots.kernels(net.params['C1.W'])")["image/png"].startswith("iVBOR")
    messages = kernel.run("%matplotlib inline\nplots.kernels(net.params['C1.W'])")
    assert sum("image/png" in content.get("data", {}) for _, content in messages) == 1, "expected it once"


def test_compiling_says_so_on_stderr_once(kernel):
    code = """
import time
from minicnn.backends import log
from minicnn.backends.cpu.compile.jit import LOG
log.PATIENCE, LOG.reported = 0.0, False
for name in ("a", "b"):
    with LOG.binding(name) as binding:
        binding.missed()
        time.sleep(0.3)
"""
    lines = said(kernel.run(code), "stderr").splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("minicnn: compiling kernels")


# --- without one ---


class Parser(HTMLParser):
    """The texts of fields, after a check that every tag is closed and none but those of tables comes."""

    def __init__(self, html):
        super().__init__()
        self.open, self.fields = [], []
        self.feed(html)
        assert self.open == []
        self.fields = [text.strip() for text in self.fields]

    def handle_starttag(self, tag, attrs):
        assert tag in {"table", "caption", "tr", "th", "td", "pre"}, tag
        assert [name for name, _ in attrs] in ([], ["style"])
        self.open.append(tag)
        self.fields.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.fields[-1] += data


HOSTILE = "<script>alert('&\"')</script>"


def network(name="F"):
    return m.Network([m.Flatten(), (name, m.Dense(2))], (1, 2, 2), backend="numpy")


def test_a_network_lists_its_layers():
    fields = Parser(network()._repr_html_()).fields
    assert "Network: 10 parameters, float32, backend numpy, 1 thread" in fields
    assert [text for text in fields if text in ("input", "Flatten", "F", "Dense", "1×2×2", "4", "2", "10")][:3] == [
        "input",
        "1×2×2",
        "Flatten",
    ]


def test_names_from_files_are_only_text():
    images, names = np.arange(20).reshape(20, 1, 1) * np.ones((1, 2, 2)), [HOSTILE, "b"]
    model = m.Classifier(network(HOSTILE), classes=names)
    for html in (model._repr_html_(), model.net._repr_html_(), model.net.program()._repr_html_()):
        assert "<script" not in html
        assert "&lt;script&gt;" in html
        Parser(html)
    assert "none yet: call fit" in model._repr_html_()
    assert '<tr><th style="text-align:left"></th>' not in model._repr_html_()
    model.fit(images, np.arange(20) % 2, epochs=2, log=None)
    fields = Parser(model._repr_html_()).fields
    assert f"{HOSTILE}, b" in fields
    assert any(text.startswith("epoch  2  train loss") for text in fields)


def test_a_regressor_and_many_classes():
    assert "classes" not in m.Regressor(network())._repr_html_()
    wide = m.Network([m.Dense(40)], (3,), backend="numpy")
    assert "29 and 10 others" in m.Classifier(wide, classes=range(40))._repr_html_()


def test_a_score_has_a_row_for_each_output():
    one = m.Score(0.5, 9, 10, 10)
    assert Parser(one._repr_html_()).fields == ["", "Score", "", "loss", "accuracy", "images", "", "0.5", "90.00 %", "10"]
    several = m.Score(1.0, 9, 10, 10, {HOSTILE: one, "size": m.Score(2.0, 0, 10, 0)})
    assert Parser(several._repr_html_()).fields[-4:] == ["size", "2", "", "10"]
    assert HOSTILE in Parser(several._repr_html_()).fields


def test_epochs_are_a_table_and_stay_one():
    rows = EpochResults([EpochResult(1, 0.5, 0.75, None, None, 2.0, 1234.0)])
    assert Parser(rows._repr_html_()).fields[-7:] == ["1", "0.5000", "75.00 %", "", "", "2.00", "1,234"]
    assert rows == list(rows)
    data = Dataset(np.ones((8, 1)), np.ones((8, 1)))
    made = Trainer(
        m.Network([m.Dense(1)], (1,), backend="numpy"), m.MSE(), m.SGD(0.1), TrainingOptions(1), data, log=None
    ).fit()
    assert made._repr_html_().startswith("<table>")


@pytest.mark.parametrize("module", ["minicnn", "data", "models", "nn", "optim", "testing", "train", "train.plots"])
def test_dir_of_a_module_is_its_public_api(module):
    import importlib

    found = importlib.import_module(module if module == "minicnn" else f"minicnn.{module}")
    offered = dir(found)
    assert set(found.__all__) <= set(offered)
    more = set(offered) - set(found.__all__) - {"__version__"}
    assert all(type(getattr(found, name)).__name__ == "module" for name in more)
    assert not more & {"engine", "backends", "errors", "np", "TYPE_CHECKING"}


def test_dir_of_what_users_hold_has_no_private_names():
    net = network()
    trainer = Trainer(net, m.MSE(), m.SGD(), TrainingOptions(1), Dataset(np.ones((8, 1, 2, 2)), np.ones((8, 2))), log=None)
    for held, name in ((net, "predict"), (m.Classifier(net), "predict_proba"), (trainer, "fit")):
        assert name in dir(held)
        assert not [each for each in dir(held) if each.startswith("_")]


@pytest.mark.parametrize("name", m.nn.__all__)
def test_help_explains_the_lane_axis_once(name, capsys):
    help(getattr(m, name))
    shown = re.sub(r"\s+", " ", capsys.readouterr().out.replace("|", " "))
    about = re.sub(r"\s+", " ", inspect.getdoc(getattr(m, name)))
    assert shown.count("L is the lane axis") == about.count("L is the lane axis") == bool(re.search(r"\bL\b", about))
    assert ("see ``help(Conv2d)``" in about) == ("L is the lane axis" in about and name != "Conv2d")


def test_where_nothing_is_logged_a_long_compile_is_told_all_the_same():
    """The compiler's own line, on stderr, is not switched off."""
    net, told = network(), []
    for log in (None, told.append):
        net.backend.log.on_compile, seen = None, []
        plain = net.score_and_grads
        net.score_and_grads = lambda *given, plain=plain, seen=seen, **more: (
            seen.append(net.backend.log.on_compile),
            plain(*given, **more),
        )[1]
        data = Dataset(np.ones((8, 1, 2, 2)), np.ones((8, 2)))
        Trainer(net, m.MSE(), m.SGD(), TrainingOptions(1), data, log=log).fit()
        del net.score_and_grads
        assert (seen[0] is None) == (log is None)


def test_sigint_is_as_before_after_a_fit():
    before = signal.getsignal(signal.SIGINT)
    data = Dataset(np.ones((8, 1, 2, 2)), np.ones((8, 2)))
    Trainer(network(), m.MSE(), m.SGD(), TrainingOptions(1), data, log=None).fit()
    assert signal.getsignal(signal.SIGINT) is before
