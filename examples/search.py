"""Search for options with scikit-learn, each fit on another process: on this machine, or on the ranks of an MPI job.

Run: python examples/search.py [--jobs 2]
     mpiexec -n 3 python -m mpi4py.futures examples/search.py --ranks

joblib, which scikit-learn's searches hand their fits to, knows backends by name. ``loky`` is its own, for processes of one
machine; ``RanksBackend`` below hands fits to ranks. Dask and Ray register backends of their own in the same way: with
``dask.distributed.Client(...)`` open, ``parallel_config(backend="dask")`` takes the place of what is here.
Every fit runs on one thread (``n_jobs=1``, the default), so fits do not take each other's processors.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import Executor, Future
from typing import Any

from joblib import parallel_config, register_parallel_backend
from joblib.parallel import ParallelBackendBase
from sklearn.model_selection import GridSearchCV

from minicnn.cli.console import program
from minicnn.data import load_mnist
from minicnn.sklearn import CNNClassifier

OPTIONS = {"learning_rate_init": [0.001, 0.004], "batch_size": [32, 128]}


class RanksBackend(ParallelBackendBase):
    """Hands calls to the ranks of an MPI job.

    Args:
        pool: hands them out; rank 0 is not one of its workers.
        workers: how many ranks work.
        **options: joblib's own.
    """

    supports_retrieve_callback = True

    def __init__(self, pool: Executor, workers: int, **options: Any) -> None:
        super().__init__(**options)
        self._pool, self._workers = pool, workers

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        return self._workers

    def submit(self, func: Any, callback: Any = None) -> Future[Any]:
        future = self._pool.submit(func)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, out: Future[Any]) -> Any:
        return out.result()


def search(images: int) -> GridSearchCV:
    """Try every pair of options in two folds."""
    digits = load_mnist(source="subset")
    model = CNNClassifier("lenet5_modern", max_iter=2, random_state=0)
    return GridSearchCV(model, OPTIONS, cv=2, n_jobs=-1).fit(digits.train_images[:images], digits.train_labels[:images])


@program("search")
def main() -> int:
    """Search, and print what was found."""
    parser = argparse.ArgumentParser(description="Search for options of a network, many fits at a time.")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes of this machine (default 2)")
    parser.add_argument("--ranks", action="store_true", help="use the ranks that mpiexec started instead")
    parser.add_argument("--images", type=int, default=1000, metavar="N", help="images to train on (default 1000)")
    options = parser.parse_args()
    if options.ranks:
        from mpi4py import MPI
        from mpi4py.futures import MPIPoolExecutor

        with MPIPoolExecutor() as pool:
            workers = MPI.COMM_WORLD.Get_size() - 1
            register_parallel_backend("ranks", lambda **given: RanksBackend(pool, workers, **given))
            with parallel_config(backend="ranks"):
                found = search(options.images)
    else:
        with parallel_config(backend="loky", n_jobs=options.jobs):
            found = search(options.images)
    for tried, score in zip(found.cv_results_["params"], found.cv_results_["mean_test_score"], strict=True):
        print(f"{tried}: {100 * score:.1f} %")
    print(f"best: {found.best_params_}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
