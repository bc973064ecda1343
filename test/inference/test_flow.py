"""Flow pictures: hue is direction, white is none; and the flows of a real model."""

import colorsys
from pathlib import Path

import numpy as np
import pytest
from sfnet_ros import inference
from sfnet_ros.inference.flow import flow_picture


def hue(colour: np.ndarray) -> float:
    return colorsys.rgb_to_hsv(*(colour / 255))[0] * 360


@pytest.mark.parametrize(
    ('direction', 'degrees'),
    # The wheel's corners lie where Baker et al. put them: red to the right, then clockwise.
    [((1, 0), 0), ((0, 1), 70), ((-1, 0), 180), ((0, -1), 260)],
)
def test_hue_is_the_direction(direction: tuple[int, int], degrees: float) -> None:
    flow = np.full((4, 6, 2), direction, np.float32)
    picture = flow_picture(flow)
    assert (picture.shape, picture.dtype) == ((4, 6, 3), np.uint8)
    assert abs((hue(picture[0, 0]) - degrees + 180) % 360 - 180) < 35


def test_saturation_is_the_length() -> None:
    flow = np.zeros((1, 3, 2), np.float32)
    flow[0, :, 0] = (0, 1, 2)
    none, half, full = flow_picture(flow)[0].astype(int)
    assert none.tolist() == [255, 255, 255]
    assert full.min() <= 1
    assert 120 <= half.min() <= 135
    assert flow_picture(flow, largest=4)[0, 2].min() == pytest.approx(half.min(), abs=1)


@pytest.mark.parametrize('flow', [np.zeros((3, 3, 2)), np.full((1, 1, 2), -1e-30)])
def test_no_flow_is_white(flow: np.ndarray) -> None:
    assert (flow_picture(flow) == 255).all()


def test_a_model_tells_its_flows(model_folder: Path, picture: np.ndarray) -> None:
    backend = inference.load(str(model_folder), backend='torch')
    flows = backend.flows(picture)
    assert set(flows) == {'flow_align_module.high', 'flow_align_module.low'}
    for flow in flows.values():
        assert flow.shape == (16, 32, 2)
        assert np.isfinite(flow).all()
        assert flow.std() > 0
