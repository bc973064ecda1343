"""Single panels before a known camera: where they land, what they hide, what they label."""

import numpy as np
import pytest
from sfnet_ros.scenes.camera import Camera
from sfnet_ros.scenes.labels import BUILDING, CAR, NO_LABEL, ROAD, SKY
from sfnet_ros.scenes.models import HOUSES, Model, place, STREET, SURFACE, Thing
from sfnet_ros.scenes.painter import Canvas, Painter
from sfnet_ros.scenes.surfaces import along, facing, flat, Panel, panel, Texture
from sfnet_ros.scenes.weather import Weather

RED, BLUE = (200, 20, 20), (20, 20, 200)


@pytest.fixture
def canvas() -> Canvas:
    return Canvas(np.zeros((101, 201, 3), np.uint8), np.full((101, 201), SKY, np.uint8))


@pytest.fixture
def painter(canvas: Canvas) -> Painter:
    """Return a painter 1 m above the ground, 100 px focal length, clear even light."""
    camera = Camera(101, 201, 100.0, (0.0, 1.0, 0.0))
    dark, even = np.zeros(3), np.ones(3)
    weather = Weather(
        dark, dark, np.array([0.0, 1.0, 0.0]), dark, even, 1e9, 0.0, ((0, 0, 0),), (0, 0, 0), False
    )
    return Painter(canvas, camera, weather)


def plain(colour: tuple[int, ...]) -> Texture:
    return Texture(np.full((32, 32, len(colour)), colour, np.uint8))


def things(*panels: Panel, layer: int = STREET, z: float = 0.0) -> list[Thing]:
    return [Thing(Model(panels), layer, 0.0, z)]


def test_a_panel_covers_its_pixels_and_no_others(painter: Painter, canvas: Canvas) -> None:
    # 4 m wide, from the ground to 2 m, 10 m away: 20 px to each side, 10 px up and down.
    painter.paint(place(things(facing((-2, 2), (0, 2), 10, plain(RED), CAR))))
    inside = np.zeros((101, 201), bool)
    inside[40:61, 80:121] = True
    np.testing.assert_array_equal(canvas.labels == CAR, inside)
    np.testing.assert_array_equal(canvas.image.any(axis=2), inside)
    # The level light reaches an upright panel at 86 %.
    np.testing.assert_allclose(canvas.image[50, 100], np.array(RED) * 0.86, atol=1)


def test_the_texture_is_the_right_way_round(painter: Painter, canvas: Canvas) -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:16, :16], pixels[16:, 16:] = RED, BLUE
    painter.paint(place(things(facing((-2, 2), (0, 2), 10, Texture(pixels), CAR))))
    upper_left, lower_right = canvas.image[44, 88], canvas.image[56, 112]
    assert upper_left[0] > 150 > upper_left[2]
    assert lower_right[2] > 150 > lower_right[0]
    assert not canvas.image[44, 112].any()


@pytest.mark.parametrize('far_first', [True, False])
def test_near_hides_far(painter: Painter, canvas: Canvas, far_first: bool) -> None:
    near = things(facing((-1, 1), (0, 2), 0, plain(RED), CAR), z=5)
    far = things(facing((-3, 3), (0, 3), 0, plain(BLUE), BUILDING), z=12)
    painter.paint(place(far + near if far_first else near + far))
    assert canvas.labels[50, 100] == CAR
    assert canvas.labels[50, 78] == BUILDING
    assert canvas.image[50, 100, 0] > canvas.image[50, 100, 2]


def test_a_far_plot_never_covers_a_near_house(painter: Painter, canvas: Canvas) -> None:
    house = things(facing((-1, 1), (0, 2), 0, plain(RED), BUILDING), layer=HOUSES, z=10)
    hedge = things(facing((-9, 9), (0, 2), 0, plain(BLUE), CAR), layer=HOUSES + 1, z=60)
    painter.paint(place(house + hedge))
    assert canvas.labels[50, 100] == BUILDING


def test_what_faces_away_or_lies_behind_is_not_painted(painter: Painter, canvas: Canvas) -> None:
    behind = facing((-2, 2), (0, 2), -10, plain(RED), CAR)
    away = panel((2, 2, 10), (-4, 0, 0), (0, -2, 0), plain(RED), CAR)
    painter.paint(place(things(behind, away)))
    assert (canvas.labels == SKY).all()


def test_ground_that_runs_under_the_camera(painter: Painter, canvas: Canvas) -> None:
    road = flat((-3, 3), (-20, 400), 0, plain(RED), ROAD, tile_m=(2, 2))
    painter.paint(place(things(road, layer=SURFACE)))
    assert not (canvas.labels[:50] == ROAD).any()
    for row in (55, 70, 100):
        half = 3 * (row - 50)  # 3 m at a depth of 100 / (row - 50) m
        columns = np.flatnonzero(canvas.labels[row] == ROAD)
        assert abs(columns[0] - max(0, 100 - half)) <= 1
        assert abs(columns[-1] - min(200, 100 + half)) <= 1
        assert len(columns) == columns[-1] - columns[0] + 1


@pytest.mark.parametrize('side', [-1, 1])
def test_a_wall_along_the_street(painter: Painter, canvas: Canvas, side: int) -> None:
    painter.paint(place(things(along(side, side * 4, (0, 3), (5, 20), plain(RED), BUILDING))))
    columns = np.flatnonzero((canvas.labels == BUILDING).any(axis=0))
    near, far = 100 + side * 80, 100 + side * 20
    assert abs(columns.min() - min(near, far)) <= 1
    assert abs(columns.max() - max(near, far)) <= 1
    assert (canvas.labels[:, near - side] == BUILDING).sum() == pytest.approx(60, abs=2)


def test_a_panel_may_widen_downwards(painter: Painter, canvas: Canvas) -> None:
    gable = panel((-0.5, 3, 10), (1, 0, 0), (-1.5, -3, 0), plain(RED), BUILDING, widening=4)
    painter.paint(place(things(gable)))
    widths = (canvas.labels == BUILDING).sum(axis=1)
    assert widths[31] == pytest.approx(11, abs=2)
    assert widths[45] == pytest.approx(26, abs=2)
    assert widths[59] == pytest.approx(40, abs=2)


@pytest.mark.parametrize(
    ('solid', 'label', 'left', 'right'),
    [
        (False, CAR, CAR, SKY),
        (True, CAR, CAR, CAR),
        (False, NO_LABEL, SKY, SKY),
    ],
)
def test_see_through_textures(
    painter: Painter, canvas: Canvas, solid: bool, label: int, left: int, right: int
) -> None:
    pixels = np.full((32, 32, 4), (*RED, 255), np.uint8)
    pixels[:, 16:, 3] = 0
    fence = panel((-2, 2, 10), (4, 0, 0), (0, -2, 0), Texture(pixels), label, solid=solid)
    painter.paint(place(things(fence)))
    assert (canvas.labels[50, 85], canvas.labels[50, 115]) == (left, right)
    assert canvas.image[50, 85, 0] > 150
    assert not canvas.image[50, 115].any()


def test_haze_takes_the_colour_of_the_horizon(canvas: Canvas) -> None:
    grey = np.full(3, 120.0)
    weather = Weather(
        grey, grey, np.array([0.0, 1, 0]), np.zeros(3), np.ones(3), 20.0, 0.0, (), (0, 0, 0), False
    )
    painter = Painter(canvas, Camera(101, 201, 100.0, (0.0, 1.0, 0.0)), weather)
    painter.paint(place(things(facing((-90, 90), (0, 90), 200, plain(RED), BUILDING))))
    np.testing.assert_allclose(canvas.image[40, 100], grey, atol=2)
