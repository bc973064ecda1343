"""The command that writes labels in another taxonomy."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from sfnet_ros import cli, taxonomies
import yaml

IMAGE = 'sensor_msgs/msg/Image'
NEVER = QosTime(2147483647, 4294967295)
LATCHED = Qos(
    QosHistory.KEEP_LAST, 1, QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL, NEVER, NEVER,
    QosLiveliness.AUTOMATIC, NEVER, False,
)  # fmt: skip


def labels(name: str, seed: int = 0, height: int = 5, width: int = 7) -> np.ndarray:
    """Return ids of a taxonomy, some unlabelled: height x width uint8."""
    count = len(taxonomies.get(name).classes)
    ids = np.random.default_rng(seed).integers(0, count + 1, (height, width)).astype(np.uint8)
    ids[ids == count] = 255
    return ids


def write(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)


def convert(source: Path, output: Path, first: str, last: str, *more: str) -> int:
    return cli.main(['convert', str(source), str(output), '--from', first, '--to', last, *more])


@pytest.mark.parametrize(
    ('first', 'last'),
    [('mapillary', 'cityscapes'), ('cityscapes', 'cityscapes_ids'), ('camvid', 'autoware')],
)
def test_folders_keep_their_names(tmp_path: Path, first: str, last: str) -> None:
    names = {'a.png': 0, 'aachen/b.png': 1, 'aachen/deep/c.png': 2}
    for name, seed in names.items():
        write(tmp_path / 'in' / name, labels(first, seed))
    (tmp_path / 'in' / 'notes.txt').write_text('not a label')
    assert convert(tmp_path / 'in', tmp_path / 'out', first, last) == 0
    table = taxonomies.conversion(first, last)
    files = {str(path.relative_to(tmp_path / 'out')) for path in (tmp_path / 'out').rglob('*.*')}
    assert files == set(names)
    for name, seed in names.items():
        ids = cv2.imread(str(tmp_path / 'out' / name), cv2.IMREAD_UNCHANGED)
        assert ids.dtype == np.uint8
        assert np.array_equal(ids, table[labels(first, seed)])


@pytest.mark.parametrize('channels', [3, 4])
def test_colour_masks_become_ids(tmp_path: Path, channels: int) -> None:
    ids = labels('mapillary')
    mask = np.dstack([taxonomies.get('mapillary').colorize(ids)[..., ::-1], np.full_like(ids, 9)])
    write(tmp_path / 'in' / 'a.png', mask[..., :channels])
    assert convert(tmp_path / 'in', tmp_path / 'out', 'mapillary', 'uds', '--colors') == 0
    found = cv2.imread(str(tmp_path / 'out' / 'a.png'), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(found, taxonomies.conversion('mapillary', 'uds')[ids])


def test_a_pattern_chooses_among_the_files(tmp_path: Path) -> None:
    write(tmp_path / 'in' / 'a_labelIds.png', labels('cityscapes_ids'))
    write(tmp_path / 'in' / 'a_color.png', np.zeros((5, 7, 3), np.uint8))
    arguments = [tmp_path / 'in', tmp_path / 'out', 'cityscapes_ids', 'cityscapes']
    assert convert(*arguments, '--pattern', '*_labelIds.png') == 0
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['a_labelIds.png']


def test_the_report_helps_to_notice_a_wrong_taxonomy(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write(tmp_path / 'in' / 'a.png', np.array([[7, 7, 23, 33], [255, 0, 0, 1]], np.uint8))
    assert convert(tmp_path / 'in', tmp_path / 'right', 'cityscapes_ids', 'cityscapes') == 0
    line = f'1 label images in {tmp_path}/right; 50.0% of the pixels are unlabelled (255)'
    assert capsys.readouterr().out.rstrip() == line
    assert convert(tmp_path / 'in', tmp_path / 'wrong', 'cityscapes', 'camvid') == 0
    assert '37.5% of the pixels are unlabelled (255); no class of cityscapes: ids 23, 33' in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ('picture', 'more', 'message'),
    [
        (np.zeros((4, 4, 3), np.uint8), [], 'expected one 8-bit channel of ids: colour masks'),
        (np.zeros((4, 4), np.uint16), [], 'is uint16 of shape (4, 4); expected one 8-bit'),
        (np.full((4, 4, 3), 9, np.uint8), ['--colors'], '100% of the painted pixels have colours'),
        (np.zeros((4, 4), np.uint8), ['--pattern', '*.tif'], 'holds no file named *.tif'),
    ],
)
def test_unfit_files_are_refused_and_nothing_is_left(
    tmp_path: Path,
    picture: np.ndarray,
    more: list[str],
    message: str,
    capsys: pytest.CaptureFixture,
) -> None:
    # The first file is converted before the second one fails.
    write(tmp_path / 'in' / 'a.png', taxonomies.get('idd').colorize(labels('idd'))[..., ::-1])
    if '--colors' not in more:
        write(tmp_path / 'in' / 'a.png', labels('idd'))
    write(tmp_path / 'in' / 'b.png', picture)
    assert convert(tmp_path / 'in', tmp_path / 'out', 'idd', 'cityscapes', *more) == 1
    error = capsys.readouterr().err
    assert 'sfnet convert: ' in error
    assert message in error
    assert not (tmp_path / 'out').exists()


def test_a_broken_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write(tmp_path / 'in' / 'a.png', labels('idd'))
    (tmp_path / 'in' / 'a.png').write_bytes((tmp_path / 'in' / 'a.png').read_bytes()[:30])
    assert convert(tmp_path / 'in', tmp_path / 'out', 'idd', 'cityscapes') == 1
    assert f'{tmp_path}/in/a.png' in capsys.readouterr().err


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write(tmp_path / 'in' / 'a.png', labels('idd'))
    write(tmp_path / 'out' / 'a.png', labels('camvid'))
    before = (tmp_path / 'out' / 'a.png').read_bytes()
    assert convert(tmp_path / 'in', tmp_path / 'out', 'idd', 'cityscapes') == 1
    assert 'out exists; nothing is overwritten' in capsys.readouterr().err
    assert (tmp_path / 'out' / 'a.png').read_bytes() == before
    assert convert(tmp_path / 'in', tmp_path / 'in', 'idd', 'cityscapes') == 1
    assert convert(tmp_path / 'none', tmp_path / 'new', 'idd', 'cityscapes') == 1
    assert 'none does not exist' in capsys.readouterr().err


def test_a_missing_conversion_names_those_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write(tmp_path / 'in' / 'a.png', labels('idd_lite'))
    assert convert(tmp_path / 'in', tmp_path / 'out', 'idd_lite', 'cityscapes') == 1
    assert "no conversion from 'idd_lite' to 'cityscapes'" in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def image(types: Any, pixels: np.ndarray, encoding: str, padding: int, number: int) -> Any:
    """Return an Image message; the padding of its rows is 77."""
    rows = pixels.reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    stamp = types.types['builtin_interfaces/msg/Time'](sec=100 + number, nanosec=number * 7)
    return types.types[IMAGE](
        header=types.types['std_msgs/msg/Header'](stamp=stamp, frame_id=f'cam {number}'),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=rows.shape[1],
        data=rows.reshape(-1),
    )


def write_bag(
    path: Path,
    storage: StoragePlugin,
    mode: CompressionMode = CompressionMode.NONE,
    encoding: str = 'mono8',
) -> None:
    """Write a bag with labels on /label and /other, colours, and a type of its own on /text."""
    types = get_typestore(Stores.ROS2_HUMBLE)
    types.register(get_types_from_msg('string words\nint64 count', 'mine/msg/Words'))
    writer = Writer(path, version=8, storage_plugin=storage)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        topics = {
            '/label': writer.add_connection(
                '/label', IMAGE, typestore=types, offered_qos_profiles=[LATCHED]
            )
        }
        for topic, kind in (('/other', IMAGE), ('/color', IMAGE), ('/text', 'mine/msg/Words')):
            topics[topic] = writer.add_connection(topic, kind, typestore=types)
        for number in range(3):
            ids = labels('mapillary', number)
            rgb = np.random.default_rng(number).integers(0, 256, (5, 7, 3)).astype(np.uint8)
            for topic, message in (
                ('/label', image(types, ids, encoding, 3, number)),
                ('/other', image(types, ids, 'mono8', 0, number)),
                ('/color', image(types, rgb, 'rgb8', 0, number)),
                ('/text', types.types['mine/msg/Words'](words=f'word {number}', count=number)),
            ):
                raw = types.serialize_cdr(message, topics[topic].msgtype)
                writer.write(topics[topic], 10**9 + number * 10**7, raw)


def read_bag(path: Path) -> tuple[dict[str, Any], list[tuple[str, int, bytes]], Any]:
    """Return what the bag says of its topics, its raw messages, and its types."""
    with AnyReader([path]) as reader:
        topics = {
            item.topic: (item.msgtype, item.msgdef.data, item.digest, item.ext, item.msgcount)
            for item in reader.connections
        }
        messages = [(item.topic, time_ns, raw) for item, time_ns, raw in reader.messages()]
        return topics, messages, reader.typestore


@pytest.mark.parametrize(
    ('storage', 'mode'),
    [
        (StoragePlugin.MCAP, CompressionMode.NONE),
        (StoragePlugin.MCAP, CompressionMode.STORAGE),
        (StoragePlugin.MCAP, CompressionMode.FILE),
        (StoragePlugin.SQLITE3, CompressionMode.NONE),
        (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
    ],
)
def test_a_bag_differs_in_its_label_topics_only(
    tmp_path: Path, storage: StoragePlugin, mode: CompressionMode, capsys: pytest.CaptureFixture
) -> None:
    source, output = tmp_path / 'in', tmp_path / 'out'
    write_bag(source, storage, mode)
    assert convert(source, output, 'mapillary', 'cityscapes', '--topic', '/label') == 0
    assert capsys.readouterr().out.startswith(f'3 label images in {output}; ')
    facts = [
        yaml.safe_load((folder / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
        for folder in (source, output)
    ]
    for key in ('storage_identifier', 'message_count', 'duration', 'starting_time',
                'compression_format', 'compression_mode'):  # fmt: skip
        assert facts[0][key] == facts[1][key]
    (topics, before, types), (topics_after, after, _) = read_bag(source), read_bag(output)
    assert topics_after == topics
    assert topics['/label'][3].offered_qos_profiles == [LATCHED]
    assert [message[:2] for message in after] == [message[:2] for message in before]
    table = taxonomies.conversion('mapillary', 'cityscapes')
    for (topic, _, old), (_, _, new) in zip(before, after, strict=True):
        if topic != '/label':
            assert new == old
            continue
        old, new = types.deserialize_cdr(old, IMAGE), types.deserialize_cdr(new, IMAGE)
        ids = old.data.reshape(5, 10)[:, :7]
        assert np.array_equal(new.data.reshape(5, 10)[:, :7], table[ids])
        assert (new.data.reshape(5, 10)[:, 7:] == 77).all()
        assert new.header == old.header
        fields = ('height', 'width', 'step', 'encoding', 'is_bigendian')
        assert all(getattr(new, field) == getattr(old, field) for field in fields)
    assert not np.array_equal(table[ids], ids)


def test_several_topics_of_a_lone_file(tmp_path: Path) -> None:
    write_bag(tmp_path / 'in', StoragePlugin.MCAP)
    file = (tmp_path / 'in' / 'in.mcap').rename(tmp_path / 'alone.mcap')
    arguments = [file, tmp_path / 'out', 'mapillary', 'idd_lite', '--topic', '/label', '/other']
    assert convert(*arguments) == 0
    _, messages, types = read_bag(tmp_path / 'out')
    table = taxonomies.conversion('mapillary', 'idd_lite')
    found = {
        (topic, round((time_ns - 10**9) / 10**7)): types.deserialize_cdr(raw, IMAGE)
        for topic, time_ns, raw in messages
        if topic in ('/label', '/other')
    }
    assert len(found) == 6
    for (_, number), message in found.items():
        ids = message.data.reshape(5, message.step)[:, :7]
        assert np.array_equal(ids, table[labels('mapillary', number)])


def test_a_type_that_nobody_knows_is_passed_through(tmp_path: Path) -> None:
    # Bags of Humble hold no definitions.
    types = get_typestore(Stores.ROS2_HUMBLE)
    with Writer(tmp_path / 'in', version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
        unknown = writer.add_connection('/x', 'mine/msg/X', msgdef='', rihs01='none')
        label = writer.add_connection('/label', IMAGE, msgdef='', rihs01='none')
        writer.write(unknown, 5, b'\x00\x01\x00\x00abcd')
        message = image(types, labels('idd'), 'mono8', 0, 0)
        writer.write(label, 6, types.serialize_cdr(message, IMAGE))
    facts = tmp_path / 'in' / 'metadata.yaml'
    facts.write_text(facts.read_text().replace('type_description_hash: none', ''))
    forget_definitions(tmp_path / 'in' / 'in.db3')
    arguments = [tmp_path / 'in', tmp_path / 'out', 'idd', 'cityscapes', '--topic', '/label']
    assert convert(*arguments) == 0
    with AnyReader([tmp_path / 'out'], default_typestore=types) as reader:
        found = {item.topic: (item.msgtype, raw) for item, _, raw in reader.messages()}
    assert found['/x'] == ('mine/msg/X', b'\x00\x01\x00\x00abcd')
    ids = types.deserialize_cdr(found['/label'][1], IMAGE).data.reshape(5, 7)
    assert np.array_equal(ids, taxonomies.conversion('idd', 'cityscapes')[labels('idd')])


def forget_definitions(file: Path) -> None:
    """Make an sqlite3 bag one of Humble, which has no tables for definitions and hashes."""
    import sqlite3

    with sqlite3.connect(file) as bag:
        bag.execute('DROP TABLE message_definitions')
        bag.execute('ALTER TABLE topics DROP COLUMN type_description_hash')
        bag.execute('DROP TABLE schema')
    bag.close()


@pytest.mark.parametrize(
    ('more', 'message'),
    [
        ([], 'expected --topic with the label topics, of: /color, /label, /other'),
        (['--topic', '/labels'], 'no images on /labels; expected --topic'),
        (['--topic', '/text'], 'no images on /text'),
        (['--topic', '/color'], "/color holds 'rgb8' images; expected mono8 labels"),
        (['--topic', '/label', '--colors'], '--colors is for folders'),
    ],
)
def test_unfit_topics_are_refused_and_nothing_is_left(
    tmp_path: Path, more: list[str], message: str, capsys: pytest.CaptureFixture
) -> None:
    write_bag(tmp_path / 'in', StoragePlugin.MCAP)
    assert convert(tmp_path / 'in', tmp_path / 'out', 'mapillary', 'cityscapes', *more) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('storage', list(StoragePlugin))
def test_a_damaged_bag_is_refused_and_nothing_is_left(
    tmp_path: Path, storage: StoragePlugin, capsys: pytest.CaptureFixture
) -> None:
    write_bag(tmp_path / 'in', storage)
    (file,) = [path for path in (tmp_path / 'in').iterdir() if path.name != 'metadata.yaml']
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    arguments = [tmp_path / 'in', tmp_path / 'out', 'mapillary', 'cityscapes', '--topic', '/label']
    assert convert(*arguments) == 1
    assert 'expected a whole rosbag2' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_a_label_with_a_wrong_step_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    types = get_typestore(Stores.ROS2_HUMBLE)
    message = image(types, labels('idd'), 'mono8', 0, 0)
    message.step = 6
    with Writer(tmp_path / 'in', version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        label = writer.add_connection('/label', IMAGE, typestore=types)
        writer.write(label, 6, types.serialize_cdr(message, IMAGE))
    arguments = [tmp_path / 'in', tmp_path / 'out', 'idd', 'cityscapes', '--topic', '/label']
    assert convert(*arguments) == 1
    assert '35 bytes with step 6; expected 5 rows of at least 7 bytes' in capsys.readouterr().err
