"""While an engine is built the next best backend serves, and is replaced when it is done."""

from pathlib import Path
import threading
from typing import Any

import pytest
from sfnet_ros import inference

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from rclpy.parameter import Parameter  # noqa: E402
from sfnet_ros.ros import parameters  # noqa: E402
from sfnet_ros.ros.live_model import LiveModel  # noqa: E402
from sfnet_ros.ros.serving import Serving  # noqa: E402


def test_the_next_best_backend_serves_until_the_engine_is_built(
    graph: Any, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = threading.Event()
    load = inference.load
    batches: list[int] = []

    def load_slowly(build: bool = True, **asked: Any) -> inference.Backend:
        """Load real backends as a machine does whose engine is not built yet."""
        batches.append(asked['batch'])
        if build:
            built.wait(60)
        asked |= {'backend': 'torch', 'precision': 'bf16' if build else 'fp32', 'checked': False}
        loaded = load(**asked)
        loaded.provisional = not build
        return loaded

    monkeypatch.setattr(inference, 'load', load_slowly)
    parameters.declare(graph.node)
    names = Parameter('cameras', value=['left', 'right'])
    graph.node.set_parameters([Parameter('weights', value=str(model_folder)), names])
    replaced: list[tuple[Serving, Serving]] = []
    model = LiveModel(graph.node, lambda: None, lambda new, old: replaced.append((new, old)))
    model.load()
    assert model.serving is not None and model.serving.backend.precision == 'fp32'
    graph.spin(0.2)
    assert model.loading and 'the engine of a faster backend' in model.swap and not replaced
    built.set()
    assert graph.spin_until(lambda: replaced)
    ((new, old),) = replaced
    assert (old.backend.precision, new.backend.precision) == ('fp32', 'bf16')
    assert model.serving is new and not model.loading
    # Nothing is left to be built, and the parameters stay as they were set.
    graph.spin(0.2)
    assert len(replaced) == 1
    assert batches == [2, 2], 'each is for as many images as there are cameras'
    assert graph.node.get_parameter('backend').value == 'auto'
    for serving in (new, old):
        serving.backend.close()
    assert model.stop()
