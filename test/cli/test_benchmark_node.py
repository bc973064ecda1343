"""``sfnet benchmark --node`` with a camera, the node and a receiver of its own."""

import json
from pathlib import Path

import pytest
from sfnet_ros import cli

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

FRAMES, ROUNDS = 8, 2


def test_the_node_is_measured_against_its_backend(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """With images that Fast DDS would lose by default."""
    path = tmp_path / 'figures.json'
    arguments = ['benchmark', '--node', 'torch:fp32', '--weights', str(model_folder)]
    arguments += ['--image-size', '480x640', '--encoding', 'bgr8', '--size', '96x128']
    arguments += ['--rounds', str(ROUNDS), '--frames', str(FRAMES), '--json', str(path)]
    assert cli.main(arguments) == 0
    figures = json.loads(path.read_text())
    assert (figures['backend'], figures['precision']) == ('torch', 'fp32')
    assert (figures['image_size'], figures['input_size']) == ([480, 640], [96, 128])
    assert figures['encoding'] == 'bgr8'
    assert figures['sent'] == ROUNDS * FRAMES
    assert figures['published'] == 2 * ROUNDS * FRAMES
    assert figures['lost_on_the_way'] == 0
    # On a machine that does other things the next frame may come before its turn.
    assert 0 <= figures['lost'] <= ROUNDS * FRAMES / 2
    for key in ('bare_ms', 'node_ms'):
        assert 0 < figures[key]['p50'] <= figures[key]['p95']
    added_ms = figures['node_ms']['p50'] - figures['bare_ms']['p50']
    assert figures['added_ms']['p50'] == pytest.approx(added_ms, abs=0.02)
    assert figures['stages_ms']['infer'] > figures['stages_ms']['convert'] >= 0
    assert (
        0
        < figures['throughput']
        == pytest.approx(figures['node_per_s'] / figures['bare_per_s'], abs=0.01)
    )
    printed = capsys.readouterr().out
    assert f'lost on the way to the node           0 of {2 * ROUNDS * FRAMES}' in printed
    assert f'{figures["node_ms"]["p50"]:.1f}' in printed


def test_what_cannot_be_measured_is_refused(
    capfd: pytest.CaptureFixture, model_folder: Path
) -> None:
    assert cli.main(['benchmark', '--node', '--encoding', 'theora']) == 1
    assert "invalid choice: 'theora'" in capfd.readouterr().err
    assert cli.main(['benchmark', '--node', 'torch:fp8', '--weights', str(model_folder)]) == 1
    assert "precision is 'fp8'; expected one of auto, fp32" in capfd.readouterr().err
