"""Pictures, videos and bags that ``sfnet segment`` leaves behind."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores
from sfnet_ros import cli, inference, taxonomies
from sfnet_ros.evaluation.frames import IMAGE

TYPES = get_typestore(Stores.ROS2_HUMBLE)
START_NS = 1_700_000_000 * 10**9


def image_message(number: int, pixels: np.ndarray, encoding: str = 'rgb8') -> Any:
    """Return an image, four of which are recorded in a second."""
    stamp = TYPES.types['builtin_interfaces/msg/Time'](
        *divmod(START_NS + number * 250_000_000, 10**9)
    )
    header = TYPES.types['std_msgs/msg/Header'](stamp=stamp, frame_id=f'camera {number}')
    height, width = pixels.shape[:2]
    data = pixels.reshape(-1)
    return TYPES.types[IMAGE](header, height, width, encoding, 0, data.size // height, data)


def write_bag(
    path: Path,
    images: Sequence[np.ndarray],
    storage: StoragePlugin = StoragePlugin.MCAP,
    broken: int = -1,
    topic: str = '/image',
) -> Path:
    """Write a bag of images, each between two words, one of the images of no known encoding."""
    with Writer(path, version=8, storage_plugin=storage) as writer:
        camera = writer.add_connection(topic, IMAGE, typestore=TYPES)
        kind = 'std_msgs/msg/String'
        words = writer.add_connection('/words', kind, typestore=TYPES)
        for number, image in enumerate(images):
            message = image_message(number, image, 'nothing' if number == broken else 'rgb8')
            time_ns = START_NS + 1000 + number * 250_000_000
            for place, word in ((-100, 'before'), (100, 'after')):
                text = TYPES.types[kind](data=f'{word} {number}')
                writer.write(words, time_ns + place, TYPES.serialize_cdr(text, kind))
            writer.write(camera, time_ns, TYPES.serialize_cdr(message, IMAGE))
    return path


def read_bag(path: Path) -> dict[str, list[tuple[int, bytes]]]:
    """Return times and bytes of the messages, by topic."""
    found: dict[str, list[tuple[int, bytes]]] = {}
    with AnyReader([path]) as reader:
        for connection, time_ns, raw in reader.messages():
            found.setdefault(connection.topic, []).append((time_ns, bytes(raw)))
    return found


@pytest.fixture
def images(picture: np.ndarray) -> list[np.ndarray]:
    """Return three pictures: 60 x 80 x 3 uint8 RGB."""
    return [np.ascontiguousarray(picture[y : y + 60, y : y + 80]) for y in (0, 100, 200)]


@pytest.fixture
def segment(model_folder: Path) -> Any:
    """Return a function that runs the command with the small model; returns the exit code."""
    model = ('--weights', str(model_folder), '--backend', 'torch', '--precision', 'fp32')
    return lambda *arguments: cli.main(['segment', *map(str, arguments), *model])


@pytest.fixture(scope='module')
def backend(model_folder: Path) -> inference.Backend:
    return inference.load(str(model_folder), backend='torch', precision='fp32')


@pytest.mark.parametrize('storage', list(StoragePlugin))
def test_a_bag_gets_labels_and_keeps_everything(
    tmp_path: Path,
    images: list[np.ndarray],
    segment: Any,
    backend: inference.Backend,
    storage: StoragePlugin,
) -> None:
    source, output = write_bag(tmp_path / 'in', images, storage), tmp_path / 'out'
    assert segment(source, '--bag', output) == 0
    before, after = read_bag(source), read_bag(output)
    labels = after.pop('/segmentation/label')
    assert after == before
    assert [time for time, _ in labels] == [time for time, _ in before['/image']]
    for number, ((_, raw), image) in enumerate(zip(labels, images, strict=True)):
        message = TYPES.deserialize_cdr(raw, IMAGE)
        expected = image_message(number, backend.infer(image[None])[0], 'mono8')
        assert message.header == expected.header
        assert np.array_equal(message.data, expected.data)
        assert (message.height, message.width, message.step) == (60, 80, 80)
        assert message.encoding == 'mono8'
    assert len(np.unique(message.data)) > 1
    assert not (tmp_path / 'segmented').exists()


def test_other_pictures_are_added_on_request(
    tmp_path: Path, images: list[np.ndarray], segment: Any, backend: inference.Backend
) -> None:
    source = write_bag(tmp_path / 'in', images)
    files = ('--output', tmp_path / 'files')
    assert segment(source, '--bag', tmp_path / 'out', '--kind', 'color', *files) == 0
    found = read_bag(tmp_path / 'out')
    colors = taxonomies.get('cityscapes').colorize(backend.infer(images[2][None])[0])
    message = TYPES.deserialize_cdr(found['/segmentation/color'][2][1], IMAGE)
    assert message.encoding == 'rgb8'
    assert np.array_equal(message.data.reshape(60, 80, 3), colors)
    file = cv2.imread(str(tmp_path / 'files' / 'color' / '000002.png'))
    assert np.array_equal(file[..., ::-1], colors)
    assert len(found['/segmentation/label']) == 3
    assert '/segmentation/overlay' not in found
    assert sorted(path.name for path in (tmp_path / 'files').iterdir()) == ['color']


def test_a_broken_frame_is_left_out_and_told(
    tmp_path: Path, images: list[np.ndarray], segment: Any, capsys: pytest.CaptureFixture
) -> None:
    source = write_bag(tmp_path / 'in', images, broken=1)
    video = tmp_path / 'a.mp4'
    assert segment(source, '--bag', tmp_path / 'out', '--video', video) == 1
    streams = capsys.readouterr()
    assert "frame 1 is left out: encoding is 'nothing'" in streams.err
    assert f'2 frames in {video}, {tmp_path / "out"}' in streams.out
    before, after = read_bag(source), read_bag(tmp_path / 'out')
    labels = after.pop('/segmentation/label')
    assert after == before
    assert [time for time, _ in labels] == [before['/image'][index][0] for index in (0, 2)]
    assert len(decoded(video)[1]) == 2


def test_logits_are_kept_by_name_or_number(
    tmp_path: Path, images: list[np.ndarray], segment: Any, backend: inference.Backend
) -> None:
    source = write_bag(tmp_path / 'in', images, broken=1)
    cv2.imwrite(str(tmp_path / 'named.png'), images[2][..., ::-1])
    assert segment(source, '--soft', '--output', tmp_path / 'out') == 1
    assert segment(tmp_path / 'named.png', '--soft', '--output', tmp_path / 'out') == 0
    files = sorted((tmp_path / 'out' / 'soft').iterdir())
    assert [path.name for path in files] == ['000000.npz', '000002.npz', 'named.npz']
    first, *others = (np.load(path)['logits'] for path in files)
    expected = backend.logits(images[2]).astype(np.float16)
    assert expected.shape[2] == 19
    for logits in others:
        assert np.array_equal(logits, expected)
    assert not np.array_equal(first, expected)


def decoded(path: Path) -> tuple[float, list[np.ndarray]]:
    """Return the rate of a video, and its frames in RGB."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (found := capture.read())[0]:
        frames.append(found[1][..., ::-1])
    return capture.get(cv2.CAP_PROP_FPS), frames


def test_a_video_has_the_rate_of_the_stamps(
    tmp_path: Path, images: list[np.ndarray], segment: Any, backend: inference.Backend
) -> None:
    # All are shown in the size of the first one, also those that are larger.
    sizes = [images[0], images[1].repeat(2, 0).repeat(2, 1), images[2]]
    source, video = write_bag(tmp_path / 'in', sizes), tmp_path / 'new' / 'a.mp4'
    assert segment(source, '--video', video) == 0
    rate, frames = decoded(video)
    assert rate == pytest.approx(4)
    assert [frame.shape for frame in frames] == [(60, 80, 3)] * 3
    ids = backend.infer(images[2][None])[0]
    overlay = taxonomies.get('cityscapes').overlay(ids, images[2], 0.5)
    # The codec loses detail: compare what is left of it in small.
    small = [cv2.resize(frame, (8, 6), interpolation=cv2.INTER_AREA) for frame in frames]
    expected = cv2.resize(overlay, (8, 6), interpolation=cv2.INTER_AREA)
    distances = [np.abs(frame.astype(int) - expected).mean() for frame in small]
    assert distances[2] < 6 < min(distances[:2])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--bag', 'in'], 'in exists; nothing is overwritten'),
        (['--bag', 'out', '--topic', '/words'], "no images on '/words'"),
        (['--video', 'a.mp4', '--kind', 'label'], 'expected --kind color or overlay'),
        (['--video', 'a.nothing'], 'expected a name ending in .mp4'),
    ],
)
def test_what_cannot_be_is_refused(
    tmp_path: Path,
    images: list[np.ndarray],
    segment: Any,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_bag(tmp_path / 'in', images)
    assert segment('in', *arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert 'Traceback' not in error
    assert [path.name for path in tmp_path.iterdir()] == ['in']


def test_labels_are_not_added_twice_nor_to_files(
    tmp_path: Path, images: list[np.ndarray], segment: Any, capsys: pytest.CaptureFixture
) -> None:
    source = write_bag(tmp_path / 'in', images, topic='/segmentation/label')
    assert segment(source, '--bag', tmp_path / 'out') == 1
    assert 'has /segmentation/label already' in capsys.readouterr().err
    cv2.imwrite(str(tmp_path / 'a.png'), images[0])
    assert segment(tmp_path / 'a.png', '--bag', tmp_path / 'out') == 1
    assert 'the source is none' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('storage', list(StoragePlugin))
def test_a_damaged_bag_leaves_no_half_bag(
    tmp_path: Path,
    images: list[np.ndarray],
    segment: Any,
    storage: StoragePlugin,
    capsys: pytest.CaptureFixture,
) -> None:
    source = write_bag(tmp_path / 'in', images, storage)
    (file,) = [path for path in source.iterdir() if path.name != 'metadata.yaml']
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    assert segment(source, '--bag', tmp_path / 'out') == 1
    error = capsys.readouterr().err
    assert 'expected a whole rosbag2' in error
    assert 'Traceback' not in error
    assert not (tmp_path / 'out').exists()
