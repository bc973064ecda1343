"""Taxonomies: tables, colours, conversions."""

from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest
from sfnet_ros import taxonomies
from sfnet_ros.errors import TaxonomyError

COUNTS = {
    'cityscapes': 19,
    'cityscapes_ids': 34,
    'uds': 19,
    'bdd': 19,
    'idd': 40,
    'idd_lite': 7,
    'mapillary': 65,
    'camvid': 11,
    'autoware': 16,
}
# The ids of each taxonomy that become each of the 19 classes, in their order. For IDD and
# Mapillary it is the merge of the SFNet-Lite paper.
TO_CITYSCAPES: dict[str, list[set[int]]] = {
    'cityscapes_ids': [{id_} for id_ in (7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33)],
    'idd': [
        {id_}
        for id_ in (0, 3, 29, 20, 21, 26, 25, 24, 32, 5, 33, 6, 8, 12, 13, 14, 17, 9, 10)
    ],
    'mapillary': [
        {13, 24, 41}, {2, 15}, {17}, {6}, {3}, {45, 47}, {48}, {50}, {30}, {29}, {27}, {19},
        {20, 21, 22}, {55}, {61}, {54}, {58}, {57}, {52},
    ],
    'camvid': [
        {3}, {4}, {1}, set(), {7}, {2}, set(), {6}, {5}, set(), {0}, {9}, {10}, {8},
        set(), set(), set(), set(), set(),
    ],
    'autoware': [
        {9, 11, 13}, {10, 12}, {1}, {2}, set(), set(), {4}, {5}, {14}, set(), {15}, {6}, set(),
        {7}, set(), set(), set(), set(), {8},
    ],
}  # fmt: skip
# What has no class there; together with the ids above these are all.
TO_NOTHING: dict[str, set[int]] = {
    'cityscapes_ids': {0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30},
    'idd': {1, 2, 4, 7, 11, 15, 16, 18, 19, 22, 23, 27, 28, 30, 31, *range(34, 40)},
    'mapillary': {
        0, 1, 4, 5, 7, 8, 9, 10, 11, 12, 14, 16, 18, 23, 25, 26, 28, *range(31, 41), 42, 43, 44,
        46, 49, 51, 53, 56, 59, 60, 62, 63, 64,
    },
    'camvid': set(),
    'autoware': {0, 3},
}  # fmt: skip
# Classes that share a colour with one of a lower id, in the data sets themselves.
SAME_COLOR = {
    'cityscapes_ids': {1, 2, 3, 4, 18},
    'idd': {27, 34, 36, 37, 38, 39},
    'autoware': {8, 11, 13},
}


@pytest.mark.parametrize('name', taxonomies.NAMES)
def test_classes_and_colours_match_and_differ(name: str) -> None:
    taxonomy = taxonomies.get(name)
    assert taxonomy.name == name
    assert len(taxonomy.classes) == len(taxonomy.colors) == COUNTS[name]
    assert len(set(taxonomy.classes)) == len(taxonomy.classes)
    assert all(taxonomy.classes)
    assert all(0 <= part <= 255 for color in taxonomy.colors for part in color)
    assert taxonomy.palette.shape == (256, 3)
    assert not taxonomy.palette[len(taxonomy.classes) :].any()


@pytest.mark.parametrize('name', [name for name in taxonomies.NAMES if name not in ('uds', 'bdd')])
def test_rows_are_numbered_in_order(name: str) -> None:
    assert [int(row['id']) for row in taxonomies._rows(name)] == list(range(COUNTS[name]))
    for row in taxonomies._rows(name):
        for target in taxonomies._columns(name):
            assert row[target] == '' or 0 <= int(row[target]) < COUNTS[target]


@pytest.mark.parametrize(
    ('name', 'id_', 'text', 'color'),
    [
        ('cityscapes', 18, 'bicycle', (119, 11, 32)),
        ('uds', 0, 'road', (128, 64, 128)),
        ('bdd', 10, 'sky', (70, 130, 180)),
        ('cityscapes_ids', 5, 'dynamic', (111, 74, 0)),
        ('cityscapes_ids', 30, 'trailer', (0, 0, 110)),
        ('idd', 11, 'autorickshaw', (255, 204, 54)),
        ('idd', 19, 'curb', (220, 190, 40)),
        ('idd_lite', 3, 'vehicle', (0, 0, 142)),
        ('mapillary', 0, 'Bird', (165, 42, 42)),
        ('mapillary', 13, 'Road', (128, 64, 128)),
        ('mapillary', 41, 'Manhole', (100, 128, 160)),
        ('mapillary', 64, 'Ego Vehicle', (120, 10, 10)),
        ('camvid', 10, 'bicyclist', (0, 128, 192)),
        ('autoware', 9, 'road', (128, 64, 128)),
        ('autoware', 13, 'crosswalk_others', (128, 64, 128)),
        ('autoware', 15, 'sky', (135, 206, 255)),
    ],
)
def test_names_and_colours_lie_at_their_ids(
    name: str, id_: int, text: str, color: tuple[int, int, int]
) -> None:
    taxonomy = taxonomies.get(name)
    assert (taxonomy.classes[id_], taxonomy.colors[id_]) == (text, color)


def test_colorize_looks_every_id_up() -> None:
    taxonomy = taxonomies.get('cityscapes')
    ids = np.arange(256, dtype=np.uint8).reshape(8, 32)
    assert np.array_equal(taxonomy.colorize(ids), taxonomy.palette[ids])
    assert taxonomy.colorize(ids)[0, 13].tolist() == [0, 0, 142]


@pytest.mark.parametrize('name', taxonomies.NAMES)
def test_colours_give_the_ids_back(name: str) -> None:
    taxonomy = taxonomies.get(name)
    ids = np.arange(COUNTS[name], dtype=np.uint8)[:, None].repeat(3, axis=1)
    found = taxonomy.from_colors(taxonomy.colorize(ids))
    assert (found.shape, found.dtype) == (ids.shape, np.uint8)
    differing = set(ids[found != ids].tolist())
    assert differing == SAME_COLOR.get(name, set())
    for id_ in differing:
        first = int(found[id_, 0])
        assert first < id_
        assert taxonomy.colors[first] == taxonomy.colors[id_]


def test_a_colour_of_no_class_is_unlabelled() -> None:
    taxonomy = taxonomies.get('cityscapes')
    rgb = np.array([[(0, 0, 142), (0, 0, 141), (142, 0, 0), (0, 0, 0), (255, 255, 255)]], np.uint8)
    assert taxonomy.from_colors(rgb).tolist() == [[13, 255, 255, 255, 255]]


def test_overlay_blends(picture: np.ndarray) -> None:
    taxonomy = taxonomies.get('cityscapes')
    ids = np.full(picture.shape[:2], 10, np.uint8)
    blended = taxonomy.overlay(ids, picture, alpha=0.25)
    expected = 0.25 * np.array([70, 130, 180]) + 0.75 * picture
    assert np.abs(blended - expected).max() <= 1
    assert np.array_equal(taxonomy.overlay(ids, picture, alpha=0), picture)


@pytest.mark.parametrize('target', ['cityscapes', 'uds', 'bdd'])
@pytest.mark.parametrize('source', TO_CITYSCAPES)
def test_every_id_goes_to_its_class_or_to_nothing(source: str, target: str) -> None:
    table = taxonomies.conversion(source, target)
    assert (table.shape, table.dtype) == ((256,), np.uint8)
    found = [set(np.flatnonzero(table == train_id).tolist()) for train_id in range(19)]
    assert found == TO_CITYSCAPES[source]
    nothing = set(np.flatnonzero(table == 255).tolist())
    assert nothing == TO_NOTHING[source] | set(range(COUNTS[source], 256))


@pytest.mark.parametrize(
    ('source', 'target', 'pairs'),
    [
        ('cityscapes', 'uds', {0: 0, 18: 18, 19: 19, 255: 255}),
        ('mapillary', 'mapillary', {0: 0, 64: 64, 255: 255}),
        ('cityscapes', 'cityscapes_ids', {0: 7, 5: 17, 16: 31, 18: 33, 19: 255, 255: 255}),
        ('cityscapes', 'idd', {0: 0, 9: 5, 16: 17, 18: 10, 19: 255}),
        ('cityscapes', 'camvid', {10: 0, 0: 3, 14: 8, 18: 10, 255: 255}),
        ('bdd', 'idd_lite', {0: 0, 9: 1, 11: 2, 8: 5, 2: 5, 10: 6, 255: 255}),
        ('uds', 'autoware', {0: 9, 1: 10, 5: 3, 12: 6, 15: 7, 17: 8, 10: 15, 255: 255}),
        # The hierarchy of IDD itself, which knows more than the way by Cityscapes.
        ('idd', 'idd_lite', {2: 0, 5: 1, 7: 2, 11: 3, 19: 4, 30: 5, 34: 6, 35: 255, 39: 255}),
        # By Cityscapes.
        ('camvid', 'autoware', {0: 15, 3: 9, 8: 7, 10: 6, 11: 255}),
        ('mapillary', 'cityscapes_ids', {24: 7, 22: 25, 8: 255, 65: 255}),
        ('mapillary', 'idd_lite', {13: 0, 2: 1, 20: 2, 52: 3, 0: 255}),
        ('autoware', 'camvid', {11: 3, 12: 4, 7: 8, 3: 255}),
        ('cityscapes_ids', 'idd', {7: 0, 22: 5, 9: 255}),
    ],
)
def test_conversions(source: str, target: str, pairs: dict[int, int]) -> None:
    table = taxonomies.conversion(source, target)
    assert (table.shape, table.dtype) == ((256,), np.uint8)
    assert {key: int(table[key]) for key in pairs} == pairs


@pytest.mark.parametrize(
    ('name', 'lost'),
    [
        ('cityscapes_ids', TO_NOTHING['cityscapes_ids']),
        ('idd', TO_NOTHING['idd']),
        ('camvid', set()),
        # Paint and crossings become road, curbs sidewalk.
        ('autoware', {0, 3, 11, 12, 13}),
    ],
)
def test_there_and_back_keeps_the_classes(name: str, lost: set[int]) -> None:
    there = taxonomies.conversion(name, 'cityscapes')
    back = taxonomies.conversion('cityscapes', name)
    ids = np.arange(COUNTS[name])
    assert set(ids[back[there[ids]] != ids].tolist()) == lost


@pytest.mark.parametrize('target', ['cityscapes_ids', 'idd', 'idd_lite', 'camvid', 'autoware'])
def test_every_cityscapes_class_goes_somewhere(target: str) -> None:
    table = taxonomies.conversion('cityscapes', target)
    assert table[:19].max() < COUNTS[target]
    assert (table[19:] == 255).all()


def test_tables_are_the_callers_own() -> None:
    taxonomies.conversion('idd', 'cityscapes')[:] = 7
    assert taxonomies.conversion('idd', 'cityscapes')[35] == 255


@pytest.mark.parametrize(
    ('source', 'target', 'message'),
    [
        ('moon', 'camvid', "taxonomy is 'moon'; expected one of cityscapes, cityscapes_ids, uds"),
        ('camvid', 'moon', "taxonomy is 'moon'; expected one of"),
        ('idd_lite', 'camvid', "no conversion from 'idd_lite' to 'camvid'; tables lead from "
         'cityscapes_ids, idd, mapillary, camvid, autoware to cityscapes, and from cityscapes to '
         'cityscapes_ids, idd, idd_lite, camvid, autoware'),
        ('cityscapes', 'mapillary', "no conversion from 'cityscapes' to 'mapillary'"),
    ],
)  # fmt: skip
def test_unknown_pairs_are_refused(source: str, target: str, message: str) -> None:
    with pytest.raises(TaxonomyError, match=message):
        taxonomies.conversion(source, target)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(TaxonomyError, match="taxonomy is 'moon'; expected one of cityscapes"):
        taxonomies.get('moon')


def test_tables_are_read_only_when_needed() -> None:
    # Launch files and argument parsers import the names.
    code = 'from sfnet_ros import taxonomies; print(taxonomies._rows.cache_info().misses)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ('0\n', '')


def test_classes_of_ones_own_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / 'mine.csv'
    taxonomies.write_table(path, ['road', 'kerb', 'grass', *(f'plant {n}' for n in range(40))])
    mine = taxonomies.get(str(path))
    assert mine.name == 'mine'
    assert mine.classes[:4] == ('road', 'kerb', 'grass', 'plant 0')
    assert mine.colors[0] == (128, 64, 128)
    assert len(set(mine.colors)) == 43
    copied = tmp_path / 'copy.csv'
    copied.write_text(path.read_text())
    assert np.array_equal(taxonomies.conversion(str(path), str(copied)), np.arange(256))
    with pytest.raises(TaxonomyError, match="no conversion from .*mine.csv' to 'camvid'"):
        taxonomies.conversion(str(path), 'camvid')


def test_classes_of_ones_own_may_turn_into_others(tmp_path: Path) -> None:
    path = tmp_path / 'mine.csv'
    path.write_text('id,name,red,green,blue,cityscapes\n0,way,1,2,3,0\n1,dog,4,5,6,\n')
    assert taxonomies.conversion(str(path), 'cityscapes')[:3].tolist() == [0, 255, 255]
    assert taxonomies.conversion(str(path), 'camvid')[0] == 3


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', r'has the ids \[\]; expected 0, 1, 2 and so on'),
        ('id,name\n0,way\n', "cannot be read as classes .*'red'.*id,name,red,green,blue"),
        ('id,name,red,green,blue\n0,a,1,2,3\n2,b,1,2,3\n', r'has the ids \[0, 2\]'),
        ('id,name,red,green,blue\n0,a,1,2,3\n1,a,4,5,6\n', "has the class 'a' twice; expected"),
        ('id,name,red,green,blue\n0,a,1,2,3\nx,b,1,2,3\n', 'cannot be read as classes'),
        ('id,name,red,green,blue\n0,a,1,2,3\n1,b,1,2\n', 'cannot be read as classes'),
        ('id,name,red,green,blue\n0,a,1,2,3\n1,b,1,2,300\n', 'colours of 0..255'),
    ],
)
def test_wrong_classes_of_ones_own_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / 'mine.csv'
    path.write_text(text)
    with pytest.raises(TaxonomyError, match=message):
        taxonomies.get(str(path))
    with pytest.raises(TaxonomyError, match='cannot be read as classes'):
        taxonomies.get(str(tmp_path / 'none.csv'))
