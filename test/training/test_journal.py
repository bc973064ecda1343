"""What a run leaves for people to look at."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from sfnet_ros import taxonomies
from sfnet_ros.networks import create_network
from sfnet_ros.training.config import Recipe
from sfnet_ros.training.curve import draw_curve
from sfnet_ros.training.journal import Journal, sample_rows
from sfnet_ros.training.sources import COARSE_OFFSET
from sfnet_ros.training.train import train
import torch


def read(path: Path) -> np.ndarray:
    return cv2.imread(str(path))[..., ::-1]


def test_samples_show_image_truth_and_prediction(recipe: Recipe) -> None:
    torch.manual_seed(0)
    network = create_network('sfnet_lite', 'stdc1').eval()
    pixels = torch.rand(2, 3, 64, 96)
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in (recipe.mean, recipe.std))
    labels = torch.full((2, 64, 96), 8)
    labels[0, :10] = 255
    labels[1, :20] = COARSE_OFFSET + 2
    picture = sample_rows(recipe, network, (pixels - mean) / std, labels)
    assert picture.shape == (2 * 64, 3 * 96, 3)
    image = picture[:64, :96].astype(float) / 255
    assert np.allclose(image, pixels[0].permute(1, 2, 0), atol=0.003)
    taxonomy = taxonomies.get('cityscapes')
    truth = picture[:, 96:192]
    assert not truth[:10].any()
    assert (truth[10:64] == taxonomy.colors[8]).all()
    assert (truth[64:84] == 90).all()
    with torch.no_grad():
        ids = network((pixels - mean) / std).argmax(dim=1)[1]
    predicted = taxonomy.from_colors(np.ascontiguousarray(picture[64:, 192:]))
    assert np.array_equal(predicted, ids.numpy())


def test_the_curve_falls_where_the_loss_does(tmp_path: Path) -> None:
    draw_curve(tmp_path / 'log.png', np.geomspace(3, 0.1, 500).tolist())
    picture = read(tmp_path / 'log.png').astype(int)
    blue = picture[..., 2] - picture[..., 0] > 100
    heights = [np.flatnonzero(column).mean() for column in blue.T if column.any()]
    assert len(heights) > 600
    assert np.all(np.diff(heights[::20]) > 0)


@pytest.mark.parametrize('losses', [[], [1.0], [0.0, 0.0, 0.0], [2.0] * 9, [0.0, 1.0, 0.5]])
def test_any_curve_can_be_drawn(tmp_path: Path, losses: list[float]) -> None:
    draw_curve(tmp_path / 'log.png', losses)
    drawn = sum(loss > 0 for loss in losses) > 1
    assert (tmp_path / 'log.png').is_file() == drawn


def test_a_log_goes_on_at_its_step(recipe: Recipe, tmp_path: Path) -> None:
    journal = Journal(tmp_path, recipe, 0, tensorboard=False)
    for step in range(4):
        journal.note(step, 1 / (step + 1), 0.1)
    journal.close()
    journal = Journal(tmp_path, recipe, 2, tensorboard=False)
    journal.note(2, 9, 0.1)
    journal.close()
    log = (tmp_path / 'log.csv').read_text().splitlines()
    assert log == ['0,1.00000,1.000e-01', '1,0.50000,1.000e-01', '2,9.00000,1.000e-01']


def test_a_run_that_is_killed_twice_keeps_its_log(recipe: Recipe, tmp_path: Path) -> None:
    """The second time before it has written anything."""
    journal = Journal(tmp_path, recipe, 0, tensorboard=False)
    for step in range(4):
        journal.note(step, 0.5, 0.1)
    journal.close()
    going = Journal(tmp_path, recipe, 3, tensorboard=False)
    going.note(3, 0.5, 0.1)
    log = (tmp_path / 'log.csv').read_text().splitlines()
    assert [line.split(',')[0] for line in log] == ['0', '1', '2']
    going.close()


def test_a_run_goes_on_without_its_log_and_says_so(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Twice: the second time a part of the log is there, and half a row of a killed run."""
    for start, known in ((3, 0), (5, 2)):
        Journal(tmp_path, recipe, start, tensorboard=False).close()
        told = f'log.csv has {known} of the {start} steps so far; it goes on at step {start}, and'
        assert told in capsys.readouterr().err
        journal = Journal(tmp_path, recipe, start, tensorboard=False)
        for step in range(start, start + 3):
            journal.note(step, 0.5, 0.1)
        journal.close()
        with (tmp_path / 'log.csv').open('a') as file:
            file.write('1')
    log = (tmp_path / 'log.csv').read_text().splitlines()
    assert [line.split(',')[0] for line in log] == ['3', '4', '5', '6', '7', '1']
    capsys.readouterr()
    (tmp_path / 'log.csv').unlink()
    Journal(tmp_path, recipe, 0, tensorboard=False).close()
    assert capsys.readouterr().err == ''


def test_a_run_leaves_pictures_and_tensorboard(data: Path, recipe: Recipe, tmp_path: Path) -> None:
    pytest.importorskip('tensorboard', reason='TensorBoard')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(recipe, data, tmp_path / 'run', tensorboard=True)
    assert read(tmp_path / 'run' / 'samples.png').shape == (2 * 64, 3 * 96, 3)
    assert read(tmp_path / 'run' / 'log.png').shape == (420, 840, 3)
    events = EventAccumulator(str(tmp_path / 'run' / 'tensorboard')).Reload()
    log = (tmp_path / 'run' / 'log.csv').read_text().splitlines()
    written = [(event.step, event.value) for event in events.Scalars('loss')]
    assert written == [
        (int(step), pytest.approx(float(loss), abs=1e-4))
        for step, loss, _ in (line.split(',') for line in log)
    ]
    assert events.Tags()['images'] == ['samples']
