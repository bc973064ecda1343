"""Frames of bags, videos and image files: same pixels, stamps and order as were written."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sfnet_ros.errors import DataError
from sfnet_ros.evaluation.frames import open_frames

pytest.importorskip('rosbags', reason='needs rosbags to write bags')

from rosbags.rosbag2 import StoragePlugin, Writer  # noqa: E402
from rosbags.typesys import get_typestore, Stores  # noqa: E402

COUNT, HEIGHT, WIDTH = 4, 6, 8
PICTURES = np.random.default_rng(0).integers(0, 256, (COUNT, HEIGHT, WIDTH, 3), dtype=np.uint8)
PERIOD_NS = 100_000_000
FIRST_NS = 1_700_000_000_123_456_789
STORAGES = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}


def write_bag(path: Path, storage: str, topics: dict[str, str], count: int = COUNT) -> Path:
    """Write the pictures on topics of a kind: bgr8 with padded rows, png, or text."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = store.types
    stamp_type, header_type = types['builtin_interfaces/msg/Time'], types['std_msgs/msg/Header']
    names = {'bgr8': 'Image', 'png': 'CompressedImage', 'info': 'RegionOfInterest'}
    with Writer(path, version=9, storage_plugin=STORAGES[storage]) as writer:
        for topic, kind in topics.items():
            message_type = f'sensor_msgs/msg/{names[kind]}'
            connection = writer.add_connection(topic, message_type, typestore=store)
            for number, picture in enumerate(PICTURES[:count]):
                time_ns = FIRST_NS + number * PERIOD_NS
                stamp_ns = time_ns - 5_000_000
                header = header_type(stamp_type(*divmod(stamp_ns, 10**9)), f'eye {number}')
                bgr = picture[:, :, ::-1]
                if kind == 'bgr8':
                    rows = np.pad(bgr.reshape(HEIGHT, -1), ((0, 0), (0, 3)))
                    message = types[message_type](
                        header, HEIGHT, WIDTH, 'bgr8', 0, rows.shape[1], rows.reshape(-1)
                    )
                elif kind == 'png':
                    data = cv2.imencode('.png', bgr)[1].reshape(-1)
                    message = types[message_type](header, 'png', data)
                else:
                    message = types[message_type](0, 0, 1, 1, False)
                writer.write(connection, time_ns, store.serialize_cdr(message, message_type))
    return path


@pytest.mark.parametrize('kind', ['bgr8', 'png'])
@pytest.mark.parametrize('storage', STORAGES)
def test_bags(tmp_path: Path, storage: str, kind: str) -> None:
    bag = write_bag(tmp_path / 'bag', storage, {'/info': 'info', '/camera/image': kind})
    (file,) = (path for path in bag.iterdir() if path.suffix != '.yaml')
    alone = tmp_path / file.name
    alone.write_bytes(file.read_bytes())
    for source in (bag, file, alone):
        frames = open_frames(source)
        assert (frames.topic, frames.compressed) == ('/camera/image', kind == 'png')
        assert len(frames) == COUNT
        found = list(frames)
        assert [frame.time_ns - FIRST_NS for frame in found] == [0, 10**8, 2 * 10**8, 3 * 10**8]
        assert [frame.stamp_ns for frame in found] == [
            frame.time_ns - 5_000_000 for frame in found
        ]
        assert [frame.frame_id for frame in found] == ['eye 0', 'eye 1', 'eye 2', 'eye 3']
        assert np.array_equal([frame.rgb() for frame in found], PICTURES)


def test_a_topic_can_be_chosen(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', 'mcap', {'/a': 'bgr8', '/b': 'png', '/info': 'info'})
    assert open_frames(bag).topic == '/a'
    assert open_frames(bag, '/b').compressed
    for topic in ('/c', '/info'):
        with pytest.raises(DataError, match=rf"no images on '{topic}'; expected one of: /a \(sen"):
            open_frames(bag, topic)


@pytest.mark.parametrize('storage', STORAGES)
def test_a_bag_without_images_names_its_topics(tmp_path: Path, storage: str) -> None:
    bag = write_bag(tmp_path / 'bag', storage, {'/info': 'info'})
    with pytest.raises(DataError, match=r'no image topic; its topics are: /info \(sensor_msgs'):
        open_frames(bag)


@pytest.mark.parametrize('storage', STORAGES)
def test_an_empty_bag_is_refused(tmp_path: Path, storage: str) -> None:
    bag = write_bag(tmp_path / 'bag', storage, {'/image': 'bgr8'}, count=0)
    with pytest.raises(DataError, match='no message on /image|no image topic'):
        open_frames(bag)


@pytest.mark.parametrize('storage', STORAGES)
@pytest.mark.parametrize('kept', [0, 10, 300, 0.5, 0.9])
def test_a_cut_bag_is_refused(tmp_path: Path, storage: str, kept: float) -> None:
    bag = write_bag(tmp_path / 'bag', storage, {'/image': 'bgr8'})
    (file,) = (path for path in bag.iterdir() if path.suffix != '.yaml')
    data = file.read_bytes()
    file.write_bytes(data[: kept if isinstance(kept, int) else int(len(data) * kept)])
    with pytest.raises(DataError, match='bag cannot be read .* expected a whole rosbag2'):
        list(open_frames(bag))


def write_video(path: Path, count: int = 5) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 25, (64, 48))
    assert writer.isOpened()
    for number in range(count):
        writer.write(np.full((48, 64, 3), (10, 20 * number, 200), np.uint8))
    writer.release()
    return path


def test_video(tmp_path: Path) -> None:
    frames = open_frames(write_video(tmp_path / 'drive.avi'))
    assert (len(frames), frames.compressed) == (5, False)
    # Twice: what was read to the end begins anew.
    for _ in range(2):
        found = list(frames)
        assert [frame.time_ns for frame in found] == [number * 40_000_000 for number in range(5)]
        assert {frame.stamp_ns for frame in found} == {None}
        for number, frame in enumerate(found):
            assert frame.rgb().shape == (48, 64, 3)
            assert np.abs(frame.rgb().mean((0, 1)) - (200, 20 * number, 10)).max() < 6


def test_image_files(tmp_path: Path) -> None:
    for number, picture in enumerate(PICTURES):
        cv2.imwrite(str(tmp_path / f'{number}.png'), picture[:, :, ::-1])
    (tmp_path / 'notes.txt').write_text('no picture')
    frames = open_frames(tmp_path)
    assert (len(frames), frames.compressed) == (COUNT, True)
    assert np.array_equal([frame.rgb() for frame in frames], PICTURES)
    assert [frame.time_ns for frame in frames] == [0, 10**8, 2 * 10**8, 3 * 10**8]
    (frame,) = open_frames(tmp_path / '2.png')
    assert np.array_equal(frame.rgb(), PICTURES[2])


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('missing', None, 'missing does not exist; expected a bag, a video or image files'),
        ('notes.txt', b'hello', r'cannot be opened; expected a whole video .* a bag \(.mcap'),
        ('cut.mp4', b'\0\0\0\x20ftypisom', 'cannot be opened; expected a whole video'),
        ('empty.mcap', b'', 'empty.mcap cannot be read'),
        ('folder', b'', 'holds neither a bag nor images; expected metadata.yaml'),
    ],
)
def test_what_is_no_source_is_refused(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if name == 'folder':
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        open_frames(path)
