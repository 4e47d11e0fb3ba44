"""What several test files share: processes of their own."""

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import strategies
import without_torch

import minicnn
from minicnn.backends.cpu import LOG

LOG.reported = True  # that the tests compile is no news, and many read stderr

ROOT = Path(minicnn.__file__).parents[1]

without_torch.install()

collect_ignore = ["conftest.py", "browser/conftest.py", "programs/site_search.py"]
"""Files without doctests: two have one name, and one needs the extra docs."""


def pytest_collection_finish():
    """Compilers make many objects and leave few cycles: looking for those as often as usual takes a fifth of their time."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


@pytest.fixture(autouse=True)
def _processors():
    """Those that a test may use: benchmarks keep to as many as they have threads."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    yield
    if allowed is not None:
        os.sched_setaffinity(0, allowed)


class Python:
    """Runs code in new processes, in a folder of their own, with no settings of minicnn or Numba but those given.

    Kernels are cached in ``cache`` below the folder; ``kept`` is a cache that outlives the tests, for code that compiles much.
    """

    def __init__(self, folder, kept):
        self.folder, self.cache, self.kept = folder, folder / "cache", kept
        self._started = []

    def start(self, code, **settings):
        """Start a process; a setting of None is taken out of its environment."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("MINICNN_", "NUMBA_"))}
        env |= {"MINICNN_CACHE": str(self.cache), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        env |= {name: str(value) for name, value in settings.items() if value is not None}
        for name, value in settings.items():
            if value is None:
                env.pop(name, None)
        command = [sys.executable, "-W", "error::RuntimeWarning", "-c", code]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, cwd=self.folder, env=env, text=True, start_new_session=True, **pipes)
        self._started.append(process)
        return process

    def finish(self, process):
        """What a process printed; the test fails where it does."""
        try:
            out, errors = process.communicate(timeout=200)
        except subprocess.TimeoutExpired:
            self._kill(process)
            out, errors = process.communicate()
            pytest.fail(f"expected the process to end within 200 s, it did not\n{out}\n{errors}")
        assert process.returncode == 0, f"expected the process to succeed, got {process.returncode}\n{out}\n{errors}"
        return out

    def _kill(self, process):
        os.killpg(process.pid, signal.SIGKILL)  # its children too: they hold the pipes open

    def stop(self):
        """End what a failed test left running."""
        for process in self._started:
            if process.poll() is None:
                self._kill(process)
                process.communicate()

    def __call__(self, code, **settings):
        """Run code and return what it prints."""
        return self.finish(self.start(code, **settings))


@pytest.fixture
def python(tmp_path, request):
    """Processes of their own; see ``Python``."""
    processes = Python(tmp_path, request.config.cache.mkdir("minicnn-kernels"))
    yield processes
    processes.stop()


INTERPRETED = {
    "test_activation_kernels",
    "test_augment_kernels",
    "test_conv_kernels",
    "test_elementwise_kernels",
    "test_lane_kernels",
    "test_layers",
    "test_loss_kernels",
    "test_losses",
    "test_pool_fused",
    "test_pool_kernels",
    "test_resample_kernels",
    "test_single",
    "test_tiles",
    "test_unpool_kernels",
    "test_update_kernels",
    "test_warp_kernels",
}
"""What also runs with kernels as plain Python, and in check mode: the kernels, and the layers over them."""


FEW = 0.1
"""The share of Hypothesis's examples without ``--full``."""

LONG = {
    "test_jit": (
        *("sound_layers_pass_in_check_mode", "smaller_machine", "changed_source_is_compiled", "damaged_files"),
        *("dtype_of_the_network", "budget_of_compilations", "file_that_vanished", "is_seen[constant]"),
    ),
    "test_cli": ("budget_of_kernels", "warmup_says_what_it_compiles"),
    "test_startup": ("compilers_registries",),
    "test_benchmarks": ("compared_before_it_is_timed", "measured_cold_and_warm", "compute_the_same[3\\xd73 32"),
    "test_fusion_bench": ("every_rule_has_a_row",),
    "test_examples": ("weights_that_are_written[classic]", "weights_that_are_written[lenet5s]"),
    "test_lenet5_1998": ("resumed_run_gives", "without_options_every_row", "column_of_the_table", "judged_after_its_last_pass"),
    "test_batch_memory": ("two_are_converted", "two_pixel_images"),
    "test_hunt": ("faults_in_a_few_kernels",),
    "test_changes_and_hunt": ("change[minicnn/nn", "change[minicnn/engine"),
    "test_layers": ("other_lanes[8", "other_lanes[32"),
    "test_single": ("-float64]",),
    "test_wide_gemm": ("float64-tile0", "float64-tile2", "float64-tile3", "float32-tile0"),
    "test_depthwise": tuple(f"their_sums[window{n}-" for n in (3, 4, 6, 7, 8, 10)),
    "test_winograd": ("its_input[float64-32",),
    "test_winograd_links": ("gradients[float64", "its_input[float64", "inf-float64"),
    "test_channels_last": ("winograd[False-24-sides1", "winograd[True-24-sides2", "winograd[True-24-sides3"),
    "test_conv_kernels": tuple(f"maps_are_their_sums[{maps}-" for maps in (3, 4, 6)),
    "test_narrow": ("rounding[cpu-8",),
    "test_network": ("rounding[8", "rounding[48"),
    "test_curvature": ("options[ConvTranspose2d",),
    "test_wide": ("pytorchs[17-2", "process[32-2-1"),
    "test_compile_ahead": ("this_process[hangs", "this_process[dies"),
    "test_draw": ("until_a_signal[2]",),
    "test_same_bits": ("processes_take_turns",),
    "test_report": ("assembled_within_its_budget", "cost_model_is_that"),
    "test_cuda_memory": ("kinds_of_batches",),
    "test_kernels_networks": (
        *("training_a_lenet", "curvature_and_the_step", "distorted_images", "trained_centres"),
        *("network_of_everything", "every_kernel_is_executed", "weights_of_images_count", "targets_as_vectors"),
    ),
    "test_costs": ("multiply_adds_of_lenet_5",),
    "test_kernels_conv": ("any_number_of_maps", "any_window", "links_of_a_channel"),
    "test_nineteen": ("-real", "-float32]", "pytorchs[mobilenet", "pytorchs[all_cnn", "threads[all_cnn"),
    "test_zoo_bench": ("process_of_its_own",),
    "test_wide_dw": ("262144",),
    "test_parity": ("float32-numpy",),
    "test_sklearn": ("with_the_defaults", "checks_pass[CNNRegressor]"),
    "test_mpi": (
        *("after_200_steps", "one_process[3]", "same_bits[stop", "same_bits[memory", "words[kill-0]", "words[stop-0]"),
        *("words[raise-2]", "words[exit", "words[memory-0]", "words[endless"),
    ),
    "test_onnx_export": ("thousand_images",),
    "test_make_pictures": ("command_recognises_held_out",),
    "test_exported": (
        *("caffe", "torch_mnist", "torch_cifar", "keras_mnist", "keras_cifar", "mnist_fast", "vgg", "all_cnn", "mobilenet"),
        *("m5", "resnet20", "squeezenet", "unet", "lenet5s", "lenet5modern", "d2l", "autoencoder", "two_heads"),
        *("resnet8", "ecg"),
    ),
    "test_model_file": ("models_predict_the_same_bits_in_another_process_and_folder[cpu]",),
}
"""What takes long and has a shorter test beside it, by file: it runs with ``--full``."""

LONGEST = (
    *("test_kernels_networks", "test_layers", "test_jit", "test_hunt", "test_report", "test_numpy_kernels", "test_cli"),
    *("test_winograd_links", "test_benchmarks", "test_lenet5_1998", "test_cuda_memory", "test_cuda", "test_conv_kernels"),
)
"""Files that take longest. They come first: begun last, they would run in one process while the others have nothing to do."""


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="all of Hypothesis's examples, and what takes long")


def pytest_configure(config):
    if not config.getoption("full"):
        strategies.SHARE = FEW


def pytest_collection_modifyitems(config, items):
    if not config.getoption("full"):
        long = [item for item in items if any(part in item.name for part in LONG.get(item.path.stem, ()))]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in set(long)]
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))
    for item in items:
        if item.path.stem in INTERPRETED:
            item.add_marker("interpreted")
