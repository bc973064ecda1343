"""Recordings through the real node, as ``sfnet evaluate --online`` does it."""

from collections.abc import Callable
from dataclasses import asdict
import json
from pathlib import Path
from typing import Any

import cv2
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')
pytest.importorskip('rosbags', reason='needs rosbags to write bags')

from sfnet_ros import cli, inference  # noqa: E402
from sfnet_ros.evaluation.frames import open_frames  # noqa: E402
from sfnet_ros.evaluation.metrics import ConfusionMatrix  # noqa: E402
from sfnet_ros.evaluation.samples import SourceSpec  # noqa: E402
from sfnet_ros.scenes.bag import IMAGE_TOPIC, LABEL_TOPIC, write_street_bag  # noqa: E402

pytestmark = pytest.mark.timeout(120)
COUNT = 8


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('bags') / 'street'
    write_street_bag(path, seed=2, frames=COUNT, rate_hz=4.0, size=(96, 160))
    return path


def answer(
    start: Callable[..., Any], folder: Path, spec: SourceSpec, **request: object
) -> dict[str, Any]:
    """Return the outcome of a request to the process."""
    asked, answered = folder / 'request.json', folder / 'outcome.json'
    content = {'spec': asdict(spec), 'model': {}, 'node': '', 'count_in': ''} | request
    asked.write_text(json.dumps(content))
    process = start('sfnet_ros.ros.online', str(asked), str(answered))
    assert process.wait(100) == 0, process.log
    assert 'Traceback' not in process.log
    return json.loads(answered.read_text())


def test_a_bag_through_a_node_of_its_own(
    bag: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = ['--topic', IMAGE_TOPIC, '--label-topic', LABEL_TOPIC]
    model = ['--weights', str(model_folder), '--backend', 'torch', '--precision', 'fp32']
    files = ['--json', str(tmp_path / 'a.json'), '--html', str(tmp_path / 'a.html')]
    assert cli.main(['evaluate', str(bag), *arguments, *model, *files, '--online']) == 0
    report = json.loads((tmp_path / 'a.json').read_text())
    online = report['online']
    (source,) = online['sources']
    assert source['node'] == {
        'model': 'small', 'backend': 'torch', 'device': 'cpu', 'precision': 'fp32',
    }  # fmt: skip
    assert online['published'] == COUNT
    assert 1 <= online['matched'] == COUNT - sum(online['drops'].values())
    times = source['latency_ms']
    assert len(times) == COUNT
    # No mask is older than the bag is long, and none comes before its frame.
    assert all(0 < time < 10_000 for time in times if time is not None)
    assert source['stages']['infer']['p50_ms'] < online['latency']['p99_ms']
    expected = accuracy(bag, model_folder, [time is not None for time in times])
    assert online['pixel_accuracy'] == pytest.approx(expected.pixel_accuracy, abs=1e-9)
    assert online['miou'] == pytest.approx(expected.mean_iou, abs=1e-9)
    text = capsys.readouterr().out
    assert f'online: {online["matched"]} of {COUNT} frames came back as masks' in text
    page = (tmp_path / 'a.html').read_text()
    assert 'id="online"' in page
    assert 'camera to mask' in page


def accuracy(bag: Path, model_folder: Path, chosen: list[bool]) -> ConfusionMatrix:
    """Return the accuracy of the frames chosen, without a node."""
    backend = inference.load(str(model_folder), backend='torch', precision='fp32')
    matrix = ConfusionMatrix(19)
    frames = zip(open_frames(bag, IMAGE_TOPIC), open_frames(bag, LABEL_TOPIC), strict=True)
    for (image, label), wanted in zip(frames, chosen, strict=True):
        if wanted:
            ids = backend.infer(image.rgb()[None])[0]
            matrix.add(label.data.reshape(ids.shape), ids)
    return matrix


def test_files_through_a_node_that_runs(
    start: Callable[..., Any],
    start_segmenter: Callable[..., Any],
    model_folder: Path,
    bag: Path,
    tmp_path: Path,
) -> None:
    # Files have no stamps: the frames are found again by those that the player gave them.
    images, labels = tmp_path / 'images', tmp_path / 'labels'
    for folder, topic in ((images, IMAGE_TOPIC), (labels, LABEL_TOPIC)):
        folder.mkdir()
        for number, frame in enumerate(open_frames(bag, topic)):
            pixels = frame.rgb() if topic == IMAGE_TOPIC else frame.rgb()[..., 0]
            cv2.imwrite(str(folder / f'{number}.png'), pixels)
    start_segmenter(weights=model_folder, image_transport='compressed').wait_for('reading /')
    spec = SourceSpec(str(images), labels=str(labels))
    for _ in range(2):
        result = answer(start, tmp_path, spec, node='/segmenter')
        assert result['state'] == 'complete', result
        assert result['published'] == COUNT
        # Only what happened meanwhile is counted, also when the node has run before.
        assert 1 <= result['matched'] == COUNT - sum(result['drops'].values())
        assert result['labelled'] == result['matched']
    assert result['node']['model'] == 'small'


def test_what_cannot_be_played_is_told(
    start: Callable[..., Any], bag: Path, tmp_path: Path
) -> None:
    result = answer(start, tmp_path, SourceSpec(str(tmp_path / 'none')))
    assert result['state'] == 'failed'
    assert 'none does not exist; expected a bag' in result['problems'][0]
    result = answer(start, tmp_path, SourceSpec(str(bag)), node='/nobody')
    assert 'found no active segmenter of the name /nobody' in result['problems'][0]
    result = answer(start, tmp_path, SourceSpec(str(bag)), model={'weights': 'nowhere'})
    assert 'the segmenter ended before it was ready' in result['problems'][0]
