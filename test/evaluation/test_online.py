"""What came back from a node, put together by hand-made times and masks."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sfnet_ros.evaluation.measuring import counted_in
from sfnet_ros.evaluation.online import (
    build_section,
    compare_masks,
    failure,
    LOST_IMAGES,
    LOST_MASKS,
    outcome,
    Played,
)
from sfnet_ros.evaluation.samples import SourceSpec

START_NS, PERIOD_NS = 1_700_000_000 * 10**9, 10**8
STAMPS = [START_NS + number * PERIOD_NS for number in range(4)]
# Of four frames one was lost on the way, one was superseded; the mask of one got lost.
PLAYED = Played(
    published=[(stamp_ns, 5.0 + number / 10) for number, stamp_ns in enumerate(STAMPS)],
    received_s={STAMPS[1]: 5.14},
    masks=1,
    frames_in=3,
    frames_out=2,
    drops={'superseded': 1, 'failed': 0},
    facts={'model': 'small'},
    stages={'infer': {'p50_ms': 30.0}},
)


def labels(number: int) -> np.ndarray:
    """Return labels in Cityscapes label ids: road (7), and a car (26) that grows."""
    truth = np.full((8, 10), 7, np.uint8)
    truth[: number + 1] = 26
    return truth


@pytest.fixture
def spec(make_bag: Callable[..., Path], images: list[np.ndarray]) -> SourceSpec:
    """Return a bag of four images and as many labels, the last two under one stamp."""
    entries = []
    for number, stamp_ns in enumerate([*STAMPS[:3], STAMPS[2]]):
        time_ns = STAMPS[number]
        entries.append(('/image', stamp_ns, time_ns, images[number][:8, :10]))
        entries.append(('/label', stamp_ns, time_ns, labels(number)))
    path = str(make_bag(entries))
    return SourceSpec(path, topic='/image', label_topic='/label', labels_taxonomy='cityscapes_ids')


def test_frames_are_accounted_for() -> None:
    result = outcome(SourceSpec('bag'), PLAYED, None)
    assert result['state'] == 'complete'
    assert (result['published'], result['matched']) == (4, 1)
    assert result['latency_ms'] == [None, pytest.approx(40), None, None]
    assert result['latency']['p99_ms'] == pytest.approx(40)
    assert result['drops'] == {LOST_IMAGES: 1, 'superseded': 1, 'failed': 0, LOST_MASKS: 1}
    assert result['matched'] + sum(result['drops'].values()) == result['published']
    assert result['camera_hz'] == pytest.approx(10)
    assert result['miou'] is None


def test_of_frames_under_one_stamp_the_first_has_the_mask() -> None:
    played = replace(PLAYED, published=[(STAMPS[1], 5.1), (STAMPS[1], 5.2)])
    assert outcome(SourceSpec('bag'), played, None)['latency_ms'] == [pytest.approx(40), None]


def test_masks_are_compared_with_the_labels_of_their_frames(spec: SourceSpec) -> None:
    masks = {
        STAMPS[0]: np.zeros((8, 10), np.uint8),
        # Whose of two frames it is nobody knows; the first one under a stamp is taken.
        STAMPS[2]: np.full((8, 10), 13, np.uint8),
    }
    stamps = [*STAMPS[:3], STAMPS[2]]
    sums = compare_masks(spec, stamps, masks.get, 'cityscapes', '')
    assert sums is not None
    assert sums.taxonomy == counted_in(['cityscapes_ids'], 'cityscapes')
    assert sums.counts['labelled'] == 2
    # Road right 70 of 70 + 10 and 50 missed; car right 30 of 30 + 50 and 10 missed.
    assert sums.confusion.iou[0] == pytest.approx(70 / 130)
    assert sums.confusion.iou[13] == pytest.approx(30 / 90)
    result = outcome(spec, PLAYED, sums)
    assert result['miou'] == pytest.approx((70 / 130 + 30 / 90) / 2)
    section = build_section([result, result, failure(SourceSpec('gone'), 'gone is not there')])
    assert section['iou']['car'] == pytest.approx(30 / 90)
    assert (section['labelled'], section['published'], section['matched']) == (4, 8, 2)
    assert section['answered'] == 0.25
    assert section['drops']['superseded'] == 2
    assert section['latency']['p50_ms'] == pytest.approx(40)
    assert section['problems'] == ['gone is not there']


def test_masks_of_another_size_are_not_counted(spec: SourceSpec) -> None:
    masks = {STAMPS[0]: np.zeros((4, 5), np.uint8)}
    sums = compare_masks(spec, STAMPS, masks.get, 'cityscapes', '')
    assert sums is not None
    assert (sums.counts['labelled'], sums.counts['broken_labels']) == (0, 1)
    result = outcome(spec, PLAYED, sums)
    assert result['miou'] is None
    assert result['problems'] == [
        '1 masks have another size than their labels and are not counted'
    ]


def test_without_labels_there_is_nothing_to_compare(spec: SourceSpec) -> None:
    plain = SourceSpec(spec.path, topic='/image')
    assert compare_masks(plain, STAMPS, {}.get, 'cityscapes', '') is None


def test_classes_of_two_kinds_have_no_mean(spec: SourceSpec) -> None:
    masks = {STAMPS[0]: np.zeros((8, 10), np.uint8)}
    results = [
        outcome(spec, PLAYED, compare_masks(spec, STAMPS, masks.get, 'cityscapes', count_in))
        for count_in in ('cityscapes', 'autoware')
    ]
    assert all(result['miou'] is not None for result in results)
    assert build_section(results)['miou'] is None


def test_no_mask_is_a_failure() -> None:
    silent = Played(PLAYED.published, {}, 0, 0, 0, {}, {}, {})
    result = outcome(SourceSpec('bag'), silent, None)
    assert result['state'] == 'failed'
    assert result['problems'] == ['no mask came']
    section = build_section([result])
    assert section['answered'] == 0
    assert section['latency'] == {'p50_ms': None, 'p95_ms': None, 'p99_ms': None}
    assert section['problems'] == ['bag: no mask came']
