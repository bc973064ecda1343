"""One source through one model: every frame counted, every problem written down."""

from collections.abc import Callable, Iterable
from typing import Any

from .models import Models, Setup
from .run import Run
from .samples import open_source, Sample, SourceSpec, UNREADABLE
from ..errors import DataError

# Labels that hold the 19 classes, under these or finer numbers, are counted in those.
_SAME = {'uds': 'cityscapes', 'bdd': 'cityscapes'}
_FINER = {'cityscapes_ids': 'cityscapes', 'idd': 'cityscapes', 'mapillary': 'cityscapes'}

Progress = Callable[[Iterable[Sample], int], Iterable[Sample]]


def evaluate_source(
    spec: SourceSpec, models: Models, setup: Setup, progress: Progress
) -> dict[str, Any]:
    """
    Evaluate one source as far as it can be read.

    :param progress: wraps the stream of samples, of which it is told the number.
    :return: ``result`` (the same at every run), ``timings``, and ``pictures`` of the worst frames.
    """
    try:
        source = open_source(spec)
        taxonomy = counted_in(source.taxonomies, models.taxonomy, setup.count_in)
        run = Run(source, models, taxonomy, setup.pictures)
    except UNREADABLE as error:
        return failure(spec, str(error))
    problem = ''
    try:
        for sample in progress(source, len(source)):
            run.add(sample)
    except UNREADABLE as error:
        problem = str(error)
    return run.outcome(spec.path, problem)


def failure(spec: SourceSpec, problem: str) -> dict[str, Any]:
    """Return the outcome of a source of which there is no figure."""
    result = {'source': spec.path, 'state': 'failed', 'problems': [problem]}
    return {'result': result, 'timings': None, 'pictures': []}


def counted_in(labels: Iterable[str], model: str, asked: str = '') -> str:
    """
    Return the taxonomy to count in.

    It is the one asked for; else that of the labels, or the 19 classes where they hold these; and
    of the model where there are no labels.

    :raises DataError: when labels of several kinds have no taxonomy in common.
    """
    names = {_SAME.get(name, name) for name in labels} or {model}
    names = {name if name == model else _FINER.get(name, name) for name in names}
    if len(names) > 1 and not asked:
        raise DataError(
            f'the labels are {", ".join(sorted(names))}; say what to count them in (--count-in)'
        )
    return asked or names.pop()
