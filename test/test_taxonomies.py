"""Taxonomies: tables, colours, conversions."""

import numpy as np
import pytest

from sfnet_ros import taxonomies
from sfnet_ros.errors import TaxonomyError


@pytest.mark.parametrize('name', taxonomies.NAMES)
def test_classes_and_colours_match_and_differ(name: str) -> None:
    taxonomy = taxonomies.get(name)
    assert len(taxonomy.classes) == len(taxonomy.colors)
    assert len(set(taxonomy.classes)) == len(taxonomy.classes)
    assert taxonomy.palette.shape == (256, 3)
    assert not taxonomy.palette[len(taxonomy.classes) :].any()


def test_colorize_looks_every_id_up() -> None:
    taxonomy = taxonomies.get('cityscapes')
    ids = np.arange(256, dtype=np.uint8).reshape(8, 32)
    assert np.array_equal(taxonomy.colorize(ids), taxonomy.palette[ids])
    assert taxonomy.colorize(ids)[0, 13].tolist() == [0, 0, 142]


def test_overlay_blends(picture: np.ndarray) -> None:
    taxonomy = taxonomies.get('cityscapes')
    ids = np.full(picture.shape[:2], 10, np.uint8)
    blended = taxonomy.overlay(ids, picture, alpha=0.25)
    expected = 0.25 * np.array([70, 130, 180]) + 0.75 * picture
    assert np.abs(blended - expected).max() <= 1
    assert np.array_equal(taxonomy.overlay(ids, picture, alpha=0), picture)


@pytest.mark.parametrize(
    ('source', 'target', 'pairs'),
    [
        ('cityscapes', 'uds', {0: 0, 18: 18, 19: 19, 255: 255}),
        ('cityscapes_ids', 'cityscapes', {7: 0, 33: 18, 0: 255, 14: 255, 255: 255}),
        ('camvid', 'cityscapes', {0: 10, 3: 0, 8: 13, 11: 255}),
        ('cityscapes', 'camvid', {10: 0, 0: 3, 14: 8, 18: 10, 255: 255}),
        ('bdd', 'idd_lite', {0: 0, 11: 2, 8: 5, 2: 5, 10: 6, 255: 255}),
    ],
)
def test_conversions(source: str, target: str, pairs: dict[int, int]) -> None:
    table = taxonomies.conversion(source, target)
    assert (table.shape, table.dtype) == ((256,), np.uint8)
    assert {key: int(table[key]) for key in pairs} == pairs


def test_there_and_back_keeps_camvid() -> None:
    there = taxonomies.conversion('camvid', 'cityscapes')
    back = taxonomies.conversion('cityscapes', 'camvid')
    assert back[there[:11]].tolist() == list(range(11))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(TaxonomyError, match="taxonomy is 'moon'; expected one of cityscapes"):
        taxonomies.get('moon')
    with pytest.raises(TaxonomyError, match="no conversion from 'idd_lite' to 'camvid'"):
        taxonomies.conversion('idd_lite', 'camvid')
