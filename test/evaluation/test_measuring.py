"""Sources through a model: figures by hand, problems counted, nothing silently wrong."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin
from sfnet_ros import taxonomies
from sfnet_ros.errors import BackendError, DataError
from sfnet_ros.evaluation.calibration import CalibrationCounts
from sfnet_ros.evaluation.measuring import counted_in, evaluate_source
from sfnet_ros.evaluation.metrics import ConfusionMatrix
from sfnet_ros.evaluation.models import Models, Setup
from sfnet_ros.evaluation.samples import SourceSpec

START_NS, PERIOD_NS = 1_700_000_000 * 10**9, 10**8


def run(models: Models, setup: Setup, path: Path, **options: object) -> dict:
    spec = SourceSpec(str(path), **options)
    return evaluate_source(spec, models, setup, lambda samples, total: samples)


def counts(result: dict) -> dict:
    return {name: count for name, count in result['sums']['counts'].items() if count}


def recording(images: list[np.ndarray], truths: list[np.ndarray | bytes]) -> list[tuple]:
    entries = []
    for number, (image, truth) in enumerate(zip(images, truths, strict=True)):
        stamp = START_NS + number * PERIOD_NS
        entries += [('/image', stamp, stamp, image), ('/label', stamp, stamp, truth)]
    return entries


def test_figures_are_those_of_the_frames(
    models: Models, setup: Setup, make_bag: Callable[..., Path], images: list[np.ndarray]
) -> None:
    rng = np.random.default_rng(0)
    ids = [models.infer(image[None])[0] for image in images]
    truths = [np.where(rng.random(item.shape) < 0.3, np.uint8(2), item) for item in ids]
    truths[0][:5] = 255
    outcome = run(models, setup, make_bag(recording(images, truths)), label_topic='/label')
    expected = ConfusionMatrix(19)
    for truth, predicted in zip(truths, ids, strict=True):
        expected.add(truth, predicted)
    result = outcome['result']
    assert result['state'] == 'complete'
    assert result['problems'] == []
    assert result['sums']['confusion'] == expected.counts.tolist()
    assert result['miou'] == pytest.approx(expected.mean_iou, abs=1e-9)
    assert result['pixel_accuracy'] == pytest.approx(expected.pixel_accuracy, abs=1e-9)
    assert counts(result) == {'frames': 6, 'inferred': 6, 'labelled': 6}
    frame = result['frames'][1]
    assert frame['pixel_accuracy'] == pytest.approx((truths[1] == ids[1]).mean())
    assert frame['stamp_ns'] == START_NS + PERIOD_NS
    assert len(outcome['timings']['infer_ms']) == 6
    worst = min(result['frames'], key=lambda item: item['pixel_accuracy'])
    assert outcome['pictures'][0]['frame'] == worst['name']
    # Six frames that follow each other look the same.
    assert len(outcome['pictures']) == 1


def test_calibration_is_that_of_the_confidence(
    models: Models, setup: Setup, make_bag: Callable[..., Path], images: list[np.ndarray]
) -> None:
    asking = replace(setup, calibration=True)
    bag = make_bag(recording(images[:2], [np.full((48, 64), 3, np.uint8)] * 2))
    plain = run(models, setup, bag, label_topic='/label')
    result = run(Models(asking), asking, bag, label_topic='/label')['result']
    expected = CalibrationCounts(19)
    for image in images[:2]:
        ids, confidence, _ = models.backend.predict(image[None], confidence=True)
        expected.add(np.full((48, 64), 3, np.uint8), ids[0], confidence[0])
    assert expected.error > 0.01
    assert result['calibration_error'] == pytest.approx(expected.error, abs=1e-9)
    assert sum(item['pixels'] for item in result['calibration']) == 2 * 48 * 64
    assert plain['result']['calibration'] is plain['result']['calibration_error'] is None
    assert result['iou'] == plain['result']['iou']
    with pytest.raises(BackendError, match='averaged logits have no confidence'):
        Models(replace(asking, flip=True))


def test_labels_of_another_data_set_are_converted(
    models: Models, setup: Setup, tmp_path: Path, images: list[np.ndarray]
) -> None:
    ids = models.infer(images[0][None])[0]
    label_ids = taxonomies.conversion('cityscapes', 'cityscapes_ids')[ids]
    (tmp_path / 'images').mkdir()
    (tmp_path / 'labels').mkdir()
    cv2.imwrite(str(tmp_path / 'images' / 'a.png'), images[0][..., ::-1])
    cv2.imwrite(str(tmp_path / 'labels' / 'a.png'), label_ids)
    right = run(models, setup, tmp_path, labels_taxonomy='cityscapes_ids')['result']
    assert (right['sums']['taxonomy'], right['miou']) == ('cityscapes', 1)
    wrong = run(models, setup, tmp_path)['result']
    assert 'labels hold the ids 2' in wrong['problems'][0]
    assert '--labels-taxonomy' in wrong['problems'][0]
    coarse = run(models, Setup(count_in='idd_lite'), tmp_path, labels_taxonomy='cityscapes_ids')
    assert coarse['result']['sums']['taxonomy'] == 'idd_lite'
    assert coarse['result']['miou'] == 1


@pytest.mark.parametrize(
    ('labels', 'model', 'asked', 'expected'),
    [
        ((), 'camvid', '', 'camvid'),
        (('camvid',), 'cityscapes', '', 'camvid'),
        (('idd', 'bdd', 'mapillary', 'cityscapes_ids'), 'uds', '', 'cityscapes'),
        (('idd',), 'idd', '', 'idd'),
        (('idd_lite',), 'cityscapes', '', 'idd_lite'),
        (('camvid', 'idd_lite'), 'cityscapes', 'idd_lite', 'idd_lite'),
    ],
)
def test_what_is_counted_in(
    labels: tuple[str, ...], model: str, asked: str, expected: str
) -> None:
    assert counted_in(labels, model, asked) == expected


def test_mixed_labels_need_a_taxonomy() -> None:
    with pytest.raises(DataError, match='labels are camvid, idd_lite; say what .*--count-in'):
        counted_in(('camvid', 'idd_lite'), 'cityscapes')


def test_every_fault_is_counted_and_none_moves_the_mean(
    models: Models, setup: Setup, make_bag: Callable[..., Path], images: list[np.ndarray]
) -> None:
    truths: list = [models.infer(image[None])[0] for image in images]
    faults: list = [*truths]
    faults[1] = np.zeros((5, 5), np.uint8)
    faults[2] = np.full((48, 64, 3), (3, 2, 1), np.uint8)
    entries = recording(images, faults)
    broken = cv2.imencode('.png', images[0])[1].tobytes()[:50]
    last = START_NS + 5 * PERIOD_NS
    # The last stamp again, one that was forgotten before, and one much later; none has a label.
    for number, stamp in enumerate((last, START_NS + 1, last + 20 * PERIOD_NS)):
        entries.append(('/image', stamp, last + number + 1, images[0]))
    outcome = run(models, setup, make_bag(entries), label_topic='/label')
    result = outcome['result']
    assert counts(result) == {
        'frames': 9, 'inferred': 8, 'labelled': 4, 'broken_labels': 2, 'unlabelled': 2,
        'duplicate_stamps': 1, 'backward_stamps': 1, 'gaps': 1,
    }  # fmt: skip
    assert result['miou'] == result['pixel_accuracy'] == 1
    texts = [' '.join(frame['problems']) for frame in result['frames']]
    assert 'label: is 5 x 5 pixels, the image 64 x 48' in texts[1]
    assert 'label: 100% of the painted pixels have colours that cityscapes does not' in texts[2]
    assert texts[6:] == ['stamp: duplicate', 'stamp: backward', 'stamp: gap']
    entries = [(topic, stamp, time, broken) for topic, stamp, time, _ in entries]
    nothing = run(models, setup, make_bag(entries[:2], 'broken'))['result']
    assert (nothing['state'], nothing['miou']) == ('failed', None)
    assert counts(nothing) == {'frames': 1, 'broken_images': 1}


def test_labels_that_never_match_are_a_problem(
    models: Models, setup: Setup, make_bag: Callable[..., Path], images: list[np.ndarray]
) -> None:
    entries = [('/image', START_NS, START_NS, images[0])]
    entries.append(('/label', START_NS + 1, START_NS + 1, np.zeros((48, 64), np.uint8)))
    result = run(models, setup, make_bag(entries), label_topic='/label')['result']
    assert result['miou'] is None
    assert result['problems'][0].startswith('no frame has a label in /label, so there is no')


def test_flicker_and_agreement_need_no_labels(
    model_folder: Path,
    make_model: Callable[..., Path],
    make_bag: Callable[..., Path],
    images: list[np.ndarray],
) -> None:
    model = {'weights': str(model_folder), 'backend': 'torch'}
    stamps = [START_NS + number * PERIOD_NS for number in range(3)]
    bag = make_bag([('/image', stamp, stamp, images[0]) for stamp in stamps])
    itself = Setup(model, against=str(model_folder))
    result = run(Models(itself), itself, bag)['result']
    assert result['flicker'] == 0
    assert result['agreement'] == result['agreement_miou'] == 1
    assert result['miou'] is None
    # Another model, that tells fewer classes apart.
    other = Setup(model, against=str(make_model('other', taxonomy='camvid')))
    models = Models(other)
    frames = run(models, other, bag)['result']['frames']
    table = taxonomies.conversion('camvid', 'cityscapes')
    batch = images[0][None]
    ids = models.infer(batch)[0], table[models.against.infer(batch)[0]]
    assert frames[0]['agreement'] == pytest.approx((ids[0] == ids[1]).mean())
    assert frames[0]['agreement'] < 1


@pytest.mark.parametrize('storage', list(StoragePlugin))
@pytest.mark.parametrize('kept', [0.3, 0.9])
def test_cut_bags_are_never_complete(
    models: Models,
    setup: Setup,
    make_bag: Callable[..., Path],
    images: list[np.ndarray],
    kept: float,
    storage: StoragePlugin,
) -> None:
    entries = recording(images * 4, [image[..., 0] for image in images * 4])
    bag = make_bag(entries, storage=storage)
    file = max(bag.iterdir(), key=lambda path: path.stat().st_size)
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * kept)])
    result = run(models, setup, bag)['result']
    assert result['state'] in ('partial', 'failed')
    assert str(bag) in result['problems'][0]


def test_what_is_no_source_fails_with_a_reason(models: Models, setup: Setup) -> None:
    outcome = run(models, setup, Path('nowhere.mcap'))
    assert outcome['result']['state'] == 'failed'
    assert 'nowhere.mcap does not exist' in outcome['result']['problems'][0]
    assert outcome['pictures'] == []
