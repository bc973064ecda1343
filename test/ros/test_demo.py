"""The demo as a user runs it: processes of its own, pictures and figures left behind."""

import json
from pathlib import Path
import subprocess
import sys

import cv2
import numpy as np
import pytest
from sfnet_ros.evaluation.frames import open_frames
from sfnet_ros.ros.sheet import contact_sheet
from sfnet_ros.scenes import Street
from sfnet_ros.scenes.bag import IMAGE_TOPIC, LABEL_TOPIC, write_street_bag


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('bags') / 'street'
    write_street_bag(path, seed=2, frames=8, rate_hz=4.0, size=(96, 160))
    return path


def run_demo(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, '-m', 'sfnet_ros.ros.demo', *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )


def test_the_bag_holds_images_and_their_labels(bag: Path) -> None:
    images, labels = list(open_frames(bag, IMAGE_TOPIC)), list(open_frames(bag, LABEL_TOPIC))
    assert len(images) == len(labels) == 8
    expected = Street(2).render(96, 160, time_s=0.75)
    assert np.array_equal(images[3].rgb(), expected.image)
    assert np.array_equal(labels[3].data.reshape(96, 160), expected.labels)
    assert [frame.stamp_ns for frame in images] == [frame.stamp_ns for frame in labels]
    assert images[3].stamp_ns - images[0].stamp_ns == 750_000_000


def test_a_bag_leaves_pictures_and_figures(
    environment: dict[str, str], bag: Path, tmp_path: Path
) -> None:
    result = run_demo(environment, '--bag', str(bag), '--output', str(tmp_path))
    assert result.returncode == 0, result.stderr
    summary = json.loads((tmp_path / 'summary.json').read_text())
    assert summary['frames_played'] == summary['frames_in'] == 8
    assert summary['frames_out'] >= 1
    assert summary['frames_out'] + sum(summary['drops'].values()) == 8
    assert summary['masks_received'] == summary['frames_out']
    assert 0 < summary['latency_p50_ms'] <= summary['latency_p95_ms']
    assert f'{summary["frames_in"]} of 8 frames in, {summary["frames_out"]} out' in result.stdout
    assert 'Traceback' not in result.stderr
    sheet = cv2.imread(str(tmp_path / 'overlays.jpg'))
    assert sheet.shape[1] == 640 * min(3, summary['frames_out'])


def test_a_missing_bag_is_one_clear_line(environment: dict[str, str], tmp_path: Path) -> None:
    missing = tmp_path / 'none'
    result = run_demo(environment, '--bag', str(missing), '--output', str(tmp_path))
    assert result.returncode == 1
    assert f'demo: {missing} does not exist' in result.stderr
    assert 'Traceback' not in result.stderr


@pytest.mark.parametrize(('count', 'rows', 'columns'), [(1, 1, 1), (4, 2, 3), (40, 4, 3)])
def test_the_sheet_shows_at_most_twelve(
    tmp_path: Path, count: int, rows: int, columns: int
) -> None:
    pictures = [np.full((30, 640, 3), (index, 100, 200), np.uint8) for index in range(count)]
    classes = [{'name': 'road', 'color': [128, 64, 128]}, {'name': 'sky', 'color': [1, 2, 3]}]
    contact_sheet(pictures, classes, tmp_path / 'sheet.png')
    sheet = cv2.cvtColor(cv2.imread(str(tmp_path / 'sheet.png')), cv2.COLOR_BGR2RGB)
    assert sheet.shape[:2] == (30 * rows + 38, 640 * columns)
    assert sheet[0, 0].tolist() == [0, 100, 200]
    assert sheet[30 * rows + 12, 12].tolist() == [128, 64, 128]
