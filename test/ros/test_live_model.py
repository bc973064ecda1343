"""A node whose model is changed while it serves: what is published meanwhile, before and after."""

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 or its pip packages')

from rcl_interfaces.srv import SetParameters  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from std_msgs.msg import String  # noqa: E402

pytestmark = pytest.mark.timeout(120)
LATCHED = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)
# With the warm-up this takes the small network a second or more.
SLOW = {'input_height': 1024, 'input_width': 1536}
# Changes that cannot be, and what is told of them.
FAILING: tuple[tuple[dict[str, object], str], ...] = (
    ({'weights': '/missing', 'input_width': 256}, "weights is '/missing': no such folder"),
    ({'backbone': 'stdc2'}, 'have backbone stdc1, but stdc2 was asked for'),
    ({'precision': 'fp16'}, 'precision fp16 on the torch backend needs a CUDA device'),
    ({'input_height': 7}, 'input_height is 7; expected a whole number of pixels'),
)


@pytest.fixture
def small(picture: np.ndarray) -> np.ndarray:
    """Return a picture that travels quickly: 90 x 160 x 3 uint8 RGB."""
    return np.ascontiguousarray(picture[:90, :160])


def test_a_swap_falls_between_two_frames(
    start_rig: Callable, graph: Any, make_model: Callable, small: np.ndarray, truth: Callable
) -> None:
    """Several parameters change at once; every mask is wholly of the old model or of the new."""
    # CamVid's classes are others, so that the new model needs new names.
    one, two = make_model('one'), make_model('two', backbone='stdc2', taxonomy='camvid')
    rig = start_rig(weights=one)
    texts = graph.collect(String, '/segmentation/classes', LATCHED)
    rig.label(graph.image(small, 0))

    before = truth(small, weights=str(one))
    after = truth(small, weights=str(two), input_height=96, input_width=160)
    assert not np.array_equal(before, after)
    assert graph.set_at_once(
        weights=str(two), backbone='stdc2', dataset='camvid', input_height=96, input_width=160
    ).successful
    for number in range(1, 1000):
        rig.camera.publish(graph.image(small, number))
        graph.spin(0.03)
        if np.array_equal(graph.pixels(rig.labels[-1]), after):
            break
    are_old = [np.array_equal(graph.pixels(label), before) for label in rig.labels]
    are_new = [np.array_equal(graph.pixels(label), after) for label in rig.labels]
    swap = are_new.index(True)
    assert swap > 1, 'the old model served while the new one was loaded'
    assert all(are_old[:swap])
    assert all(are_new[swap:])
    assert [label.header for label in rig.labels] == [
        graph.image(small, label.header.stamp.sec).header for label in rig.labels
    ]

    assert graph.spin_until(lambda: len(texts) == 2)
    first, last = (json.loads(text.data) for text in texts)
    assert (first['taxonomy'], last['taxonomy']) == ('cityscapes', 'camvid')
    assert last['model']['backbone'] == 'stdc2'
    assert (last['model']['input_height'], last['model']['input_width']) == (96, 160)
    # Latched: who comes late gets the new one alone.
    late = graph.collect(String, '/segmentation/classes', LATCHED)
    assert graph.spin_until(lambda: late)
    assert late[0].data == texts[1].data


def test_what_fails_is_set_back(
    start_rig: Callable, graph: Any, model_folder: Path, small: np.ndarray, truth: Callable
) -> None:
    rig = start_rig(weights=model_folder)
    names = ('weights', 'backbone', 'precision', 'input_height', 'input_width')
    before = graph.parameters(*names)
    for number, (change, reason) in enumerate(FAILING):
        assert graph.set_at_once(**change).successful
        assert graph.spin_until(lambda reason=reason: reason in rig.said('swap'))
        assert rig.said('swap').startswith('failed: ')
        assert rig.said('message').startswith('serving the model before the change, which failed')
        rig.process.wait_for(reason)
        assert graph.parameters(*names) == before
        label = rig.label(graph.image(small, number))
        assert np.array_equal(graph.pixels(label), truth(small, weights=str(model_folder)))

    assert rig.process.log.count('model not changed, parameters set back: ') == len(FAILING)
    assert graph.set_at_once(input_height=96).successful
    assert graph.spin_until(lambda: rig.said('input size') == '128 x 96')
    assert rig.said('swap') == 'idle'


def test_the_newest_request_wins(
    start_rig: Callable, graph: Any, model_folder: Path, small: np.ndarray
) -> None:
    """The first of two changes is still being loaded when the second one comes."""
    rig = start_rig(weights=model_folder)
    texts = graph.collect(String, '/segmentation/classes', LATCHED)
    assert graph.set_at_once(**SLOW).successful
    rig.process.wait_for('loading input_height 1024')
    assert graph.set_at_once(input_height=96, input_width=0).successful
    assert graph.spin_until(lambda: rig.said('input size') == '128 x 96', 60)
    assert graph.spin_until(lambda: rig.said('swap') == 'idle')
    sizes = [json.loads(text.data)['model']['input_height'] for text in texts]
    assert sizes == [64, 96]
    # Also when that takes the request back.
    assert graph.set_at_once(**SLOW).successful
    assert graph.set_at_once(input_height=96, input_width=0).successful
    graph.spin(1.2)
    assert (rig.said('swap'), rig.said('input size')) == ('idle', '128 x 96')


def test_the_parameters_of_one_call_are_one_change(
    start_rig: Callable, graph: Any, make_model: Callable
) -> None:
    """Also where they are set one after the other, as by ros2 param load."""
    rig = start_rig(weights=make_model('one'))
    # Alone the first of them fails: the weights are of another backbone.
    two = str(make_model('two', backbone='stdc2'))
    values = {'backbone': 'stdc2', 'input_height': 96, 'weights': two}
    request = SetParameters.Request(
        parameters=[Parameter(name, value=v).to_parameter_msg() for name, v in values.items()]
    )
    results = graph.call(SetParameters, '/segmenter/set_parameters', request).results
    assert [result.successful for result in results] == [True] * 3
    assert graph.spin_until(lambda: rig.said('backbone') == 'stdc2')
    assert rig.said('input size') == '128 x 96'
    assert rig.process.log.count('until then the model before it serves') == 1
    assert 'parameters set back' not in rig.process.log


def test_cleanup_during_a_load(
    start_rig: Callable, graph: Any, model_folder: Path, small: np.ndarray, truth: Callable
) -> None:
    """What is loaded for a node that was cleaned up never serves; the parameters are kept."""
    rig = start_rig(weights=model_folder)
    assert graph.set_at_once(**SLOW).successful
    rig.process.wait_for('loading input_height 1024')
    assert graph.change_state('deactivate')
    assert graph.change_state('cleanup')
    assert graph.set_at_once(input_height=96, input_width=0).successful
    assert graph.change_state('configure')
    assert graph.change_state('activate')
    label = rig.label(graph.image(small, 3))
    assert np.array_equal(
        graph.pixels(label), truth(small, weights=str(model_folder), input_height=96)
    )
    assert graph.spin_until(lambda: rig.said('input size') == '128 x 96')
    assert rig.said('swap') == 'idle'
    assert 'Traceback' not in rig.process.log


def test_a_swap_while_inactive(
    start_rig: Callable, graph: Any, model_folder: Path, small: np.ndarray, truth: Callable
) -> None:
    rig = start_rig(weights=model_folder)
    assert graph.change_state('deactivate')
    assert graph.set_at_once(input_height=96).successful
    assert graph.spin_until(lambda: rig.said('input size') == '128 x 96')
    assert graph.change_state('activate')
    label = rig.label(graph.image(small, 4))
    assert np.array_equal(
        graph.pixels(label), truth(small, weights=str(model_folder), input_height=96)
    )
