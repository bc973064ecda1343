"""The node as a process: who leads it, what may be changed, and what it says of itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from sensor_msgs.msg import Image  # noqa: E402

pytestmark = pytest.mark.timeout(120)


def test_live_and_fixed_parameters(
    start_rig: Callable, graph: Any, model_folder: Path, picture: np.ndarray, quick: str
) -> None:
    rig = start_rig(weights=model_folder, backend=quick)
    assert graph.set_at_once(overlay_alpha=0.0).successful
    overlays = graph.collect(Image, '/segmentation/overlay')
    overlay = graph.exchange(rig.camera, graph.image(picture, 0), overlays)
    assert np.array_equal(graph.pixels(overlay), picture)
    for name, value, reason in (
        ('overlay_alpha', 1.5, 'overlay_alpha'),
        ('backend', 'abacus', "backend is 'abacus'; expected one of auto"),
        ('image_transport', 'compressed', 'image_transport is fixed while a model is loaded'),
        ('weights', 3, 'Wrong parameter type'),
    ):
        result = graph.set_at_once(**{name: value})
        assert not result.successful
        assert reason in result.reason


def test_a_lifecycle_manager_may_lead(
    start_segmenter: Callable, graph: Any, model_folder: Path, picture: np.ndarray
) -> None:
    process = start_segmenter(weights='/missing', autostart='false')
    said = graph.diagnostics()
    assert graph.state() == 'unconfigured'
    assert not graph.change_state('configure')
    process.wait_for("cannot configure: weights is '/missing': no such folder")
    assert graph.state() == 'unconfigured'
    assert graph.spin_until(lambda: said('level') == 'error')
    assert said('message').startswith("cannot configure: weights is '/missing'")
    assert graph.set_at_once(weights=str(model_folder)).successful
    labels = graph.collect(Image, '/segmentation/label')
    publisher = graph.node.create_publisher(Image, '/image', 5)
    # Twice: all that is freed is made anew.
    for round_trip in range(2):
        assert graph.change_state('configure')
        assert graph.state() == 'inactive'
        assert publisher.get_subscription_count() == 0
        assert graph.change_state('activate')
        assert graph.state() == 'active'
        graph.exchange(publisher, graph.image(picture, round_trip), labels)
        assert graph.change_state('deactivate')
        assert graph.spin_until(lambda: publisher.get_subscription_count() == 0)
        assert graph.change_state('cleanup')
        assert graph.spin_until(lambda: graph.node.count_publishers('/segmentation/label') == 0)
    said.refresh()
    assert said('message') == 'unconfigured: images are not read'
    assert graph.change_state('unconfigured_shutdown')
    assert graph.state() == 'finalized'


def test_diagnostics(segmenter: Callable, graph: Any, model_folder: Path) -> None:
    segmenter(weights=model_folder)
    said = graph.diagnostics('shared/segmenter: segmentation')
    assert graph.spin_until(lambda: said('backend'))
    assert (said('backend'), said('precision')) == ('torch', 'fp32')
    assert (said('network'), said('backbone')) == ('sfnet_lite', 'stdc1')
    assert said('input size') == '128 x 64'
    assert said('reason')


def test_loading_is_told_while_it_lasts(
    start_segmenter: Callable, graph: Any, make_model: Callable, tmp_path: Path
) -> None:
    """To convert a model takes seconds; the cache is where it was asked for."""
    said = graph.diagnostics()
    folder = tmp_path / 'mine'
    weights = make_model()
    process = start_segmenter(weights=weights, backend='openvino', cache_dir=folder)
    assert graph.spin_until(lambda: said('swap').startswith('loading'), 60)
    message = said('message')
    assert f"loading weights '{weights}', backend 'openvino' for" in message
    assert message.endswith(' s: images are not read')
    assert said('state') == 'unconfigured'
    process.wait_for('reading /', 100)
    assert graph.spin_until(lambda: said('state') == 'active')
    assert said('swap') == 'idle'
    assert 50 < int(said('memory [MB]')) < 10_000
    assert {'.onnx', '.npy'} <= {path.suffix for path in folder.iterdir()}
