"""Many sources: one after another, on several processes, or on the machines of a Dask cluster."""

from collections.abc import Callable, Sequence
from concurrent.futures import as_completed, BrokenExecutor, Executor, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
import multiprocessing
import os
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
from tqdm import tqdm

from .keeping import Kept, Outcome
from .measuring import evaluate_source, failure
from .models import Models, Setup
from .report import build_report
from .samples import SourceSpec
from ..errors import DataError, SfnetError


def evaluate(
    specs: Sequence[SourceSpec],
    setup: Setup,
    workers: int = 1,
    resume: Path | None = None,
    cluster: str = '',
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """
    Evaluate all sources; one that fails is reported and does not keep the others from it.

    :param workers: processes, each with a model of its own; their latencies are those of a
        machine that does several things at once.
    :param resume: a folder where each source's result is kept, and taken from at the next run if
        neither the source, the model nor the set-up have changed.
    :param cluster: address of a Dask scheduler, whose workers see the same files and have this
        package installed; it takes the place of ``workers``.
    :return: the report, and the pictures of the worst frames.
    :raises ModelError, BackendError: when the model cannot be loaded.
    """
    specs = list(dict.fromkeys(specs))
    kept = Kept(resume, specs, setup)
    outcomes = {spec: outcome for spec in specs if (outcome := kept.read(spec))}
    left = [spec for spec in specs if spec not in outcomes]
    models = Models(setup)
    facts = models.facts()
    if cluster:
        outcomes.update(_spread(left, partial(_dask, cluster), setup, kept))
    elif workers > 1 and len(left) > 1:
        del models
        make_pool = partial(_processes, min(workers, len(left)))
        outcomes.update(_spread(left, make_pool, setup, kept))
    else:
        for spec in left:
            outcomes[spec] = _one(spec, models, setup)
            kept.write(spec, outcomes[spec])
    ordered = [outcomes[spec] for spec in specs]
    pictures = [picture for outcome in ordered for picture in outcome['pictures']]
    pictures.sort(key=lambda picture: -picture['badness'])
    return build_report(facts, ordered, workers), pictures[: setup.pictures]


def _one(spec: SourceSpec, models: Models, setup: Setup) -> Outcome:
    name = Path(spec.path).name or spec.path
    bar = partial(tqdm, desc=name, unit='frame')
    return evaluate_source(spec, models, setup, lambda samples, total: bar(samples, total=total))


def _spread(
    specs: Sequence[SourceSpec],
    make_pool: Callable[[], Any],
    setup: Setup,
    kept: Kept,
) -> dict[SourceSpec, Outcome]:
    """Evaluate sources on a pool, and alone those that a dying process took along."""
    outcomes: dict[SourceSpec, Outcome] = {}
    with tqdm(desc='sources', total=len(specs), unit='source') as bar:

        def drain(pool: Executor, chosen: Sequence[SourceSpec]) -> list[SourceSpec]:
            futures = {pool.submit(_work, spec, setup): spec for spec in chosen}
            taken = []
            for future in as_completed(futures):
                spec, error = futures[future], future.exception()
                if isinstance(error, BrokenExecutor) and len(chosen) > 1:
                    taken.append(spec)
                    continue
                if error is None:
                    outcomes[spec] = future.result()
                    kept.write(spec, outcomes[spec])
                else:
                    outcomes[spec] = failure(spec, _reason(spec, error))
                bar.update()
            return taken

        with make_pool() as pool:
            taken = drain(pool, specs)
        for spec in taken:
            with _processes(1) as pool:
                drain(pool, [spec])
    return outcomes


def _processes(workers: int) -> ProcessPoolExecutor:
    # A forked process would share locks of PyTorch's threads that nobody ever opens.
    context = multiprocessing.get_context('spawn')
    cores = max(1, (os.cpu_count() or 1) // workers)
    return ProcessPoolExecutor(workers, context, _share_cores, (cores,))


@contextmanager
def _dask(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise DataError(
            f'--cluster {address} needs Dask: pip install distributed, here and on its workers'
        ) from error
    try:
        client = Client(address, timeout=10)
    except (OSError, TimeoutError, ValueError) as error:
        raise DataError(
            f'no Dask scheduler answers at {address} ({error}); start one with `dask scheduler` '
            'and `dask worker ADDRESS --nthreads 1` on each machine'
        ) from error
    with client:
        yield client.get_executor(pure=False)


def _reason(spec: SourceSpec, error: BaseException) -> str:
    if isinstance(error, SfnetError):
        return str(error)
    return (
        f'{spec.path}: its worker died ({type(error).__name__}: {error}); try it alone, or with '
        'fewer --workers if memory ran out'
    )


_loaded: tuple[Setup, Models] | None = None
# A worker of a cluster may have several threads; side by side they would spoil the latencies.
_lock = Lock()


def _share_cores(cores: int) -> None:
    """Leave the other worker processes their share; read when a runtime is imported."""
    os.environ['OMP_NUM_THREADS'] = str(cores)
    cv2.setNumThreads(cores)


def _work(spec: SourceSpec, setup: Setup) -> Outcome:
    """Evaluate a source in a worker process, which loads the model once."""
    global _loaded
    with _lock:
        if _loaded is None or _loaded[0] != setup:
            _loaded = setup, Models(setup)
        return evaluate_source(spec, _loaded[1], setup, lambda samples, total: samples)
