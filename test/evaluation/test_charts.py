"""Charts: scales, and what is drawn of many points."""

import re

import numpy as np
import pytest
from sfnet_ros.evaluation.charts import confusion_chart, Line, line_chart, tick_step


@pytest.mark.parametrize(
    ('largest', 'step'),
    [(0, 1), (1, 0.2), (4.9, 1), (5.1, 2), (60, 20), (99, 20), (100, 20), (101, 50), (260, 100)],
)
def test_ticks_are_round_and_few(largest: float, step: float) -> None:
    assert tick_step(largest) == pytest.approx(step)
    assert 2 < largest / step <= 5 or largest == 0


def points(chart: str) -> list[tuple[float, float]]:
    (text,) = re.findall('<polyline points="(.*?)"', chart)
    return [tuple(map(float, point.split(','))) for point in text.split()]


def test_lines_go_where_the_values_are() -> None:
    names = [str(number) for number in range(5)]
    chart = line_chart([Line('a', '#000', [0, 10, None, 5, 10])], ' ms', names)
    found = points(chart)
    assert [x for x, _ in found] == sorted(x for x, _ in found)
    heights = [y for _, y in found]
    assert heights[1] == heights[3] < heights[2] < heights[0]
    assert heights[0] - heights[2] == pytest.approx(heights[2] - heights[1], abs=0.2)
    assert '<title>3: a 5 ms</title>' in chart


def test_of_many_points_the_highest_are_kept() -> None:
    values = [1.0] * 5000
    values[1234] = 80.0
    names = [str(number) for number in range(5000)]
    chart = line_chart([Line('a', '#000', values)], ' ms', names)
    assert len(points(chart)) <= 400
    assert '<title>1234: a 80 ms</title>' in chart


def test_nothing_and_one_point_are_drawn_too() -> None:
    assert points(line_chart([Line('a', '#000', [])], '', [])) == []
    assert len(points(line_chart([Line('a', '#000', [0])], '', ['x']))) == 1


def test_confusion_leaves_out_what_does_not_occur() -> None:
    counts = np.zeros((3, 4), np.int64)
    counts[0] = (60, 0, 30, 10)
    chart = confusion_chart(counts, ['road', 'car', 'a<b'])
    assert re.findall('<title>(.*?)</title>', chart) == [
        'road as road: 60.0%',
        'road as a&lt;b: 30.0%',
        'road as no class: 10.0%',
    ]
