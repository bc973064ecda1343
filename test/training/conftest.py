"""Labelled streets on disk, and a recipe small enough to be trained in seconds."""

from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from sfnet_ros.scenes import Street
from sfnet_ros.training.config import Recipe, Source


def write_streets(folder: Path, count: int, labels: str = 'labels') -> Path:
    """Write rendered streets of 96 x 160 pixels as images and labels of equal names."""
    for name in ('images', labels):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        frame = Street(3 + index).render(96, 160)
        cv2.imwrite(str(folder / 'images' / f'{index}.png'), frame.image[..., ::-1])
        cv2.imwrite(str(folder / labels / f'{index}.png'), frame.labels)
    return folder


@pytest.fixture
def streets(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes streets into ``tmp_path / 'data'``."""
    return lambda count=1, labels='labels': write_streets(tmp_path / 'data', count, labels)


@pytest.fixture
def data(streets: Callable[..., Path]) -> Path:
    """Return a folder with one labelled street, as a user's own data lie."""
    return streets()


@pytest.fixture
def recipe() -> Recipe:
    """Return a recipe of six steps for the folder ``data``."""
    return Recipe(
        name='small',
        network='sfnet_lite',
        backbone='stdc1',
        sources=(Source('folder', '', '', scale=(0.9, 1.1)),),
        validation=(Source('folder', '', ''),),
        input_height=96,
        input_width=160,
        crop_height=64,
        crop_width=96,
        batch=2,
        steps=6,
        warmup_steps=2,
        ema=0.5,
    )
