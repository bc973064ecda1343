"""A student learns from what teachers say of images that nobody labelled."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
import shutil

import cv2
import numpy as np
import pytest
from sfnet_ros import cli, inference
from sfnet_ros.training.config import Recipe, Source
from sfnet_ros.training.package import write_package
from sfnet_ros.training.train import train

TEACHER = 'sfnet_lite_efficientnet_lite0'


@pytest.mark.slow
@pytest.mark.parametrize('asked', [True, False], ids=['model', 'files'])
def test_unlabelled_images_are_learnt_from_teachers(
    streets: Callable[..., Path], recipe: Recipe, tmp_path: Path, asked: bool
) -> None:
    """Whether the teacher is asked for every crop, or has been for every image."""
    data = streets(2)
    shutil.rmtree(data / 'labels')
    arguments = ['segment', str(data / 'images'), '--soft', '--weights', TEACHER]
    arguments += ['--input-height', '96', '--input-width', '160', '--output', str(tmp_path)]
    if not asked:
        assert cli.main(arguments) == 0
    recipe = replace(
        recipe,
        sources=(
            Source('images', scale=(1.0, 1.0), soft=() if asked else (str(tmp_path / 'soft'),)),
        ),
        validation=(),
        teachers=(TEACHER,) if asked else (),
        mean=(0.4, 0.5, 0.6),
        crop_height=96,
        crop_width=160,
        aspect=1.0,
        loss_stride=2,
        optimizer='adamw',
        learning_rate=0.003,
        steps=40,
        ema=0.9,
    )
    write_package(train(recipe, data, tmp_path / 'run'), recipe, data, tmp_path / 'student')
    images = np.stack([cv2.imread(str(data / 'images' / f'{n}.png'))[..., ::-1] for n in (0, 1)])
    taught, learnt = (
        inference.load(name, backend='torch', precision='fp32', **size).infer(images)
        for name, size in (
            (TEACHER, {'input_height': 96, 'input_width': 160}),
            (str(tmp_path / 'student'), {}),
        )
    )
    # The commonest class alone would be right this often.
    guess = np.bincount(taught.ravel()).max() / taught.size
    assert (taught == learnt).mean() > max(0.75, guess + 0.2)
