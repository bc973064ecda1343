"""Many sources: one report, the same at every run, whole although some fail."""

from collections.abc import Callable
import json
import os
from pathlib import Path

import numpy as np
import pytest
from sfnet_ros.errors import DataError
from sfnet_ros.evaluation import workers
from sfnet_ros.evaluation.models import Models, Setup
from sfnet_ros.evaluation.report import read_report, SCHEMA, write_report
from sfnet_ros.evaluation.samples import SourceSpec
from sfnet_ros.evaluation.sums import COUNTS, Sums
from sfnet_ros.evaluation.workers import evaluate

START_NS, PERIOD_NS = 1_700_000_000 * 10**9, 10**8


@pytest.fixture
def specs(
    make_bag: Callable[..., Path], images: list[np.ndarray], models: Models
) -> list[SourceSpec]:
    """Return two bags with labels, and one that is not there."""
    result = []
    for name, chosen in (('one', images[:2]), ('two', images[2:])):
        entries = []
        for number, image in enumerate(chosen):
            stamp = START_NS + number * PERIOD_NS
            truth = models.infer(image[None])[0]
            truth[:20] = 3
            entries += [('/image', stamp, stamp, image), ('/label', stamp, stamp, truth)]
        result.append(SourceSpec(str(make_bag(entries, name)), label_topic='/label'))
    return [*result, SourceSpec('nowhere')]


def without_timings(report: dict) -> dict:
    return {key: value for key, value in report.items() if key != 'timings'}


def test_one_report_of_all_sources(specs: list[SourceSpec], setup: Setup, tmp_path: Path) -> None:
    report, pictures = evaluate(specs, setup)
    assert report['schema'] == SCHEMA
    assert [source['state'] for source in report['sources']] == ['complete'] * 2 + ['failed']
    assert report['problems'][0].startswith('nowhere does not exist; expected a bag')
    parts = [np.array(source['sums']['confusion']) for source in report['sources'][:2]]
    assert np.array_equal(report['confusion'], parts[0] + parts[1])
    # The mean is over all pixels, and not the mean of two means.
    sums = Sums('cityscapes', 'cityscapes')
    sums.confusion.counts[:] = parts[0] + parts[1]
    assert report['miou'] == sums.figures()['miou']
    assert report['iou'] == sums.figures()['iou']
    assert set(report['counts']) == set(COUNTS)
    assert report['counts']['labelled'] == 6
    assert len(pictures) == setup.pictures
    assert pictures[0]['badness'] >= pictures[1]['badness']
    write_report(tmp_path / 'out' / 'a.json', report)
    assert read_report(tmp_path / 'out' / 'a.json') == report
    again, _ = evaluate(specs, setup)
    assert json.dumps(without_timings(again)) == json.dumps(without_timings(report))


@pytest.mark.slow
def test_processes_give_the_same(specs: list[SourceSpec], setup: Setup) -> None:
    alone, _ = evaluate(specs, setup)
    together, pictures = evaluate(specs, setup, workers=2)
    assert without_timings(together) == without_timings(alone)
    assert together['timings']['workers'] == 2
    assert len(pictures) == setup.pictures


class Killer(SourceSpec):
    """Ends the process that it is sent to."""

    def __reduce__(self) -> tuple:
        return os._exit, (3,)


@pytest.mark.slow
def test_a_process_that_dies_takes_no_other_source_along(
    specs: list[SourceSpec], setup: Setup
) -> None:
    report, _ = evaluate([Killer('killer'), *specs[:2]], setup, workers=2)
    states = [source['state'] for source in report['sources']]
    assert states == ['failed', 'complete', 'complete']
    assert report['problems'][0].startswith('killer: its worker died (BrokenProcessPool: ')
    assert report['counts']['labelled'] == 6


@pytest.mark.slow
def test_a_cluster_gives_the_same(specs: list[SourceSpec], setup: Setup) -> None:
    distributed = pytest.importorskip('distributed')
    alone, _ = evaluate(specs, setup)
    options = {'n_workers': 2, 'threads_per_worker': 1, 'dashboard_address': ''}
    with distributed.LocalCluster(**options) as cluster:
        together, pictures = evaluate(specs, setup, cluster=cluster.scheduler_address)
    assert without_timings(together) == without_timings(alone)
    assert len(pictures) == setup.pictures


def test_no_cluster_is_an_error(specs: list[SourceSpec], setup: Setup) -> None:
    pytest.importorskip('distributed')
    with pytest.raises(DataError, match='no Dask scheduler answers at nonsense'):
        evaluate(specs, setup, cluster='nonsense://1')


def test_finished_sources_are_not_done_again(
    specs: list[SourceSpec], setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []
    original = workers.evaluate_source

    def counted(spec: SourceSpec, *others: object) -> dict:
        done.append(spec.path)
        return original(spec, *others)

    monkeypatch.setattr(workers, 'evaluate_source', counted)
    folder = tmp_path / 'kept'
    first, _ = evaluate(specs, setup, resume=folder)
    assert done == [spec.path for spec in specs]
    done.clear()
    second, pictures = evaluate(specs, setup, resume=folder)
    # What failed is tried again, as is what is damaged, changed or asked for in another way.
    assert done == ['nowhere']
    assert without_timings(second) == without_timings(first)
    assert len(pictures) == setup.pictures
    next(folder.glob('one-*.json')).write_text('{')
    (Path(specs[1].path) / 'new').write_text('')
    done.clear()
    third, _ = evaluate(specs, setup, resume=folder)
    assert done == [spec.path for spec in specs]
    assert without_timings(third) == without_timings(first)
    done.clear()
    evaluate(specs[:1], Setup(setup.model, count_in='camvid', pictures=2), resume=folder)
    assert done == [specs[0].path]
    assert not list(folder.glob('*.part'))


def test_there_is_no_mean_over_different_classes(
    specs: list[SourceSpec], setup: Setup, tmp_path: Path
) -> None:
    other = SourceSpec(specs[1].path, label_topic='/label', labels_taxonomy='camvid')
    report, _ = evaluate([specs[0], other], setup)
    assert report['miou'] is None
    assert 'counted in camvid, cityscapes, of which there is no mean' in report['problems'][0]
    assert all(source['miou'] is not None for source in report['sources'])
    report, _ = evaluate([specs[0], other], Setup(setup.model, count_in='camvid'))
    assert report['miou'] is not None


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'cannot be read'),
        ('[]', 'has the schema None; expected sfnet_ros/evaluation/1'),
        ('{"schema": "other"}', "has the schema 'other'"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / 'a.json').write_text(text)
    with pytest.raises(DataError, match=message):
        read_report(tmp_path / 'a.json')
    with pytest.raises(DataError, match='cannot be written'):
        write_report(tmp_path / 'a.json' / 'b.json', {})
