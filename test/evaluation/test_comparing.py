"""Two reports beside each other, and limits."""

import pytest
from sfnet_ros.errors import DataError
from sfnet_ros.evaluation.comparing import cautions, compare, misses, parse_limits


def report(**changes: float | str | None) -> dict:
    """Return as much of a report as is compared."""
    figures = {'miou': 0.5, 'pixel_accuracy': 0.9, 'boundary_iou': 0.3, 'flicker': 0.1}
    figures |= {
        'agreement': None,
        'calibration_error': 0.02,
        'p95_ms': 80.0,
        'road': 0.9,
    } | changes
    stages = {'total': {'p50_ms': 50.0, 'p95_ms': figures.pop('p95_ms'), 'p99_ms': 99.0}}
    timings = {'stages': stages, 'frames_per_s': 20.0, 'peak_memory_mb': 300, 'lost_frames': None}
    iou = {'road': figures.pop('road'), 'car': None}
    base = {'taxonomy': 'cityscapes', 'classes': list(iou), 'iou': iou, 'timings': timings}
    return base | figures


@pytest.mark.parametrize(
    ('name', 'after', 'verdict'),
    [
        ('miou', 0.51, 'better'),
        ('miou', 0.4, 'worse'),
        ('miou', 0.5005, 'same'),
        ('flicker', 0.2, 'worse'),
        ('flicker', 0.05, 'better'),
        ('p95_ms', 70.0, 'better'),
        ('p95_ms', 81.0, 'same'),
        ('p95_ms', 90.0, 'worse'),
        ('road', 0.95, 'better'),
        ('boundary_iou', None, 'unknown'),
    ],
)
def test_verdicts(name: str, after: float | None, verdict: str) -> None:
    changes = {item.name: item for item in compare(report(), report(**{name: after}))}
    assert changes[name].verdict == verdict
    assert changes[name].after == after
    others = {item.verdict for other, item in changes.items() if other != name}
    assert others == {'same'}
    assert 'agreement' not in changes
    assert 'car' not in changes


def test_what_else_may_have_changed_is_told() -> None:
    def made(path: str, labelled: int, backend: str) -> dict:
        model = {'backend': backend, 'device': 'cpu', 'precision': 'fp32'}
        counts = {'inferred': 10, 'labelled': labelled}
        return {'sources': [{'source': path}], 'counts': counts, 'model': model}

    assert cautions(made('a', 10, 'torch'), made('a', 10, 'torch')) == []
    assert cautions(made('a', 10, 'torch'), made('b', 9, 'openvino')) == [
        'the sources differ: a; b',
        'frames labelled differ: 10 before, 9 after',
        'backend differs: torch before, openvino after',
    ]


def test_other_classes_cannot_be_compared() -> None:
    with pytest.raises(DataError, match='counted in cityscapes and camvid; .*--count-in'):
        compare(report(), report(taxonomy='camvid'))


def test_limits() -> None:
    limits = parse_limits('miou=0.6, p95_ms=80,flicker=0.05,agreement=0.9,fps=10')
    assert misses(report(), limits) == [
        'miou: found 0.5, expected at least 0.6',
        'flicker: found 0.1, expected at most 0.05',
        'agreement: there is none; expected at least 0.9',
    ]
    assert misses(report(miou=0.6), parse_limits('miou=0.6')) == []


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('miou', "limit is 'miou'; expected such as"),
        ('miou=high', "limit is 'miou=high'"),
        ('iou=0.5', "limit is for 'iou'; expected one of miou, pixel_accuracy"),
    ],
)
def test_limits_that_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_limits(text)
