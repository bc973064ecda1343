"""Placing things, textures at their sizes, and the parts of a vehicle."""

import math

import numpy as np
import pytest
from sfnet_ros import taxonomies
from sfnet_ros.scenes import boxes, cars, labels
from sfnet_ros.scenes.camera import Camera
from sfnet_ros.scenes.models import Model, paint_order, place, STREET, Thing
from sfnet_ros.scenes.noise import fractal, Grain
from sfnet_ros.scenes.people import Gait, PHASES, walker
from sfnet_ros.scenes.surfaces import facing, Texture


@pytest.fixture(scope='module')
def grain() -> Grain:
    return Grain(np.random.default_rng(0))


def corner(basis: np.ndarray, u: float, v: float) -> np.ndarray:
    point = basis @ (u, v, 1)
    return point[:3] / point[3]


@pytest.mark.parametrize(
    ('heading', 'expected'),
    [(0.0, (6, 2, 10)), (math.pi, (4, 2, 10)), (math.pi / 2, (5, 2, 9))],
)
def test_a_thing_is_turned_and_moved(heading: float, expected: tuple[float, ...]) -> None:
    model = Model([facing((-1, 1), (0, 2), 0, Texture(np.zeros((2, 2, 3), np.uint8)), 0)])
    batch = place([Thing(model, STREET, 5, 10, heading)])
    np.testing.assert_allclose(corner(batch.basis[0], 1, 0), expected, atol=1e-9)
    seen_from = -np.array([math.sin(heading), 0, math.cos(heading)])
    np.testing.assert_allclose(batch.normals[0], seen_from, atol=1e-9)


@pytest.mark.parametrize(('heading', 'last'), [(0.0, 'load'), (math.pi, 'cab')])
def test_the_nearer_part_of_a_truck_is_painted_last(
    grain: Grain, heading: float, last: str
) -> None:
    model = boxes.truck(np.random.default_rng(1), grain)
    batch = place([Thing(model, STREET, 0, 30, heading)])
    order = paint_order(batch, np.arange(len(batch.panels)))
    half = len(batch.panels) // 2
    assert ('cab' if order[-1] < half else 'load') == last


@pytest.mark.parametrize('seed', range(6))
def test_a_car_is_closed_and_of_a_car_s_size(grain: Grain, seed: int) -> None:
    model = cars.car(np.random.default_rng(seed), grain)
    points = np.array([corner(b, u, v) for b in model.basis for u in (0, 1) for v in (0, 1)])
    size = points.max(axis=0) - points.min(axis=0)
    assert 1.6 < size[0] < 2.0
    assert 1.4 < size[1] < 2.1
    assert 3.8 < size[2] < 5.0
    assert {panel.label for panel in model.panels} == {labels.CAR}
    middle = np.array([0.0, 0.7, 0.0])
    for basis, normal in zip(model.basis, model.normals, strict=True):
        assert normal @ (corner(basis, 0.5, 0.5) - middle) > 0  # every panel faces outwards


@pytest.mark.parametrize(
    ('across', 'down', 'shape'),
    [
        (1, 1, (64, 128)),
        (2, 1, (64, 64)),
        (1, 8, (8, 128)),
        (0.2, 0.2, (64, 128)),
        (1e9, 1, (64, 2)),
    ],
)
def test_a_texture_shrinks_each_way_on_its_own(
    across: float, down: float, shape: tuple[int, int]
) -> None:
    texture = Texture(np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8))
    level = texture.level(across, down)
    assert level.shape == (*shape, 3)
    assert abs(level.mean() - texture.pixels.mean()) < 1
    assert texture.level(across, down) is level


def test_noise_tiles_and_is_normal() -> None:
    noise = fractal(np.random.default_rng(3), 128, 4, 4, 0.5)
    assert noise.mean() == pytest.approx(0, abs=1e-5)
    assert noise.std() == pytest.approx(1, abs=1e-5)
    seam = np.abs(noise[:, 0] - noise[:, -1]).mean()
    steps = np.abs(np.diff(noise, axis=1)).mean()
    assert seam < 1.3 * steps


@pytest.mark.parametrize('pitch', [-0.05, 0.0, 0.1])
def test_far_points_fall_on_the_horizon(pitch: float) -> None:
    camera = Camera(360, 640, 500.0, (1.0, 1.4, 7.0), yaw=0.03, pitch=pitch)
    x, y, w = camera.projection() @ (0.0, 1.4, 1e7, 1.0)
    assert y / w == pytest.approx(camera.horizon_row(), abs=0.5)
    x, y, w = camera.projection() @ (0.0, 0.0, 50.0, 1.0)
    assert y / w > camera.horizon_row()


def test_a_walker_steps_and_comes_round(grain: Grain) -> None:
    gait: Gait = walker(np.random.default_rng(2), grain, sideways=True)
    pixels = [gait.phase(i).panels[0].texture.pixels for i in range(PHASES)]
    assert gait.phase(PHASES) is gait.phase(0)
    widths = [int((p[200:, :, 3] > 127).any(axis=0).sum()) for p in pixels]
    assert max(widths) > 1.5 * min(widths)
    assert all((p[..., 3] > 127).mean() > 0.1 for p in pixels)


def test_the_ids_are_those_of_cityscapes() -> None:
    names = taxonomies.get('cityscapes').classes
    for class_id, name in enumerate(names):
        assert getattr(labels, name.upper().replace(' ', '_')) == class_id
