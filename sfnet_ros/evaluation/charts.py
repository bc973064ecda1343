"""Charts as inline SVG, without a script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
import math
from typing import Any

import numpy as np

_WIDTH, _HEIGHT = 900, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 14, 26
# More points than this are not told apart; of those that fall together the highest is drawn.
_MOST_POINTS = 400
_CELL = 27


@dataclass(frozen=True)
class Line:
    """A line of a chart; values are None where there is nothing to draw."""

    name: str
    color: str
    values: Sequence[float | None]


def line_chart(
    lines: Sequence[Line], unit: str, names: Sequence[str], limit: float | None = None
) -> str:
    """
    Draw lines over the frames.

    :param names: of the frames, shown where a pointer rests.
    :param limit: where to draw a dashed line across the chart.
    """
    values = [value for line in lines for value in line.values if value is not None]
    if limit is not None:
        values.append(limit)
    count, step = max(len(names) - 1, 1), tick_step(max(values, default=0))
    top = step * max(1, math.ceil(max(values, default=0) / step))

    def place(index: float, value: float) -> tuple[float, float]:
        x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * index / count
        y = _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value / top)
        return round(x, 1), round(y, 1)

    parts = [_start(_WIDTH, _HEIGHT, ', '.join(line.name for line in lines))]
    for number in range(round(top / step) + 1):
        _, y = place(0, number * step)
        parts.append(f'<path d="M{_LEFT} {y}H{_WIDTH - _RIGHT}" stroke="#e6e9ef"/>')
        text = f'{number * step:.6g}{unit if number else ""}'
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{text}</text>')
    for index in sorted({0, count // 2, count}):
        x, _ = place(index, 0)
        anchor = 'start' if index == 0 else 'end' if index == count else 'middle'
        parts.append(f'<text x="{x}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{index}</text>')
    if limit is not None:
        _, y = place(0, limit)
        parts.append(
            f'<path d="M{_LEFT} {y}H{_WIDTH - _RIGHT}" stroke="#c8321f" stroke-dasharray="5 4"/>'
        )
    for line in lines:
        points = [(index, *place(index, value), value) for index, value in _thinned(line.values)]
        path = ' '.join(f'{x},{y}' for _, x, y, _ in points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{line.color}" stroke-width="1.8" '
            'stroke-linejoin="round"/>'
        )
        for index, x, y, value in points:
            told = escape(f'{names[index]}: {line.name} {value:.4g}{unit}')
            parts.append(
                f'<circle cx="{x}" cy="{y}" r="{2.2 if len(points) < 120 else 1}" '
                f'fill="{line.color}"><title>{told}</title></circle>'
            )
    return ''.join((*parts, '</svg>'))


def confusion_chart(counts: np.ndarray, classes: Sequence[str]) -> str:
    """
    Draw a confusion matrix: a row a true class that occurs, the shares of its pixels.

    :param counts: C x (C + 1) int64, the last column is pixels that were predicted as no class.
    """
    names = [*classes, 'no class']
    rows = np.flatnonzero(counts.sum(axis=1))
    columns = np.union1d(rows, np.flatnonzero(counts.sum(axis=0)))
    left, top = 104, 78
    width, height = left + _CELL * len(columns) + 60, top + _CELL * len(rows) + 8
    parts = [_fixed(width, height, 'confusion matrix')]
    for place, column in enumerate(columns):
        x, y = left + _CELL * place + _CELL / 2 + 4, top - 6
        parts.append(
            f'<text transform="translate({x} {y}) rotate(-50)">{escape(names[column])}</text>'
        )
    for line, row in enumerate(rows):
        y = top + _CELL * line
        text = escape(names[row])
        parts.append(f'<text x="{left - 6}" y="{y + 17}" text-anchor="end">{text}</text>')
        shares = counts[row] / counts[row].sum()
        for place, column in enumerate(columns):
            share = float(shares[column])
            told = escape(f'{names[row]} as {names[column]}: {share:.1%}')
            parts.append(
                f'<rect x="{left + _CELL * place}" y="{y}" width="{_CELL - 1}" '
                f'height="{_CELL - 1}" rx="2" fill="{_shade(share, row == column)}">'
                f'<title>{told}</title></rect>'
            )
            if share >= 0.05:
                ink = '#fff' if share > 0.45 else '#1d2433'
                parts.append(
                    f'<text x="{left + _CELL * place + 13}" y="{y + 17}" '
                    f'text-anchor="middle" style="fill:{ink};pointer-events:none">'
                    f'{100 * share:.0f}</text>'
                )
    return ''.join((*parts, '</svg>'))


def reliability_chart(bins: Sequence[Mapping[str, Any]]) -> str:
    """
    Draw how often pixels are right over how sure they were.

    :param bins: as ``CalibrationCounts.bins`` returns them.
    """
    left, top, side = 44, 10, 270
    most = max(item['pixels'] for item in bins)
    total = sum(item['pixels'] for item in bins)
    width, height = left + side + 20, top + side + 40
    parts = [_fixed(width, height, 'reliability diagram')]
    for number in range(6):
        share = number / 5
        y, x = top + side * (1 - share), left + side * share
        parts.append(f'<path d="M{left} {y:g}h{side}" stroke="#e6e9ef"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:g}" text-anchor="end">{share:.0%}</text>')
        parts.append(
            f'<text x="{x:g}" y="{top + side + 16}" text-anchor="middle">{share:.0%}</text>'
        )
    wide = side / len(bins) - 2
    for item in (item for item in bins if item['pixels']):
        x, high = left + side * item['above'], side * item['accuracy']
        told = (
            f'{item["confidence"]:.1%} sure, {item["accuracy"]:.1%} right, '
            f'{item["pixels"] / total:.2%} of the pixels'
        )
        shade = _shade(0.15 + 0.85 * item['pixels'] / most, True)
        parts.append(
            f'<rect x="{x + 1:.1f}" y="{top + side - high:.1f}" width="{wide:.1f}" '
            f'height="{max(high, 1):.1f}" fill="{shade}"><title>{told}</title></rect>'
        )
    parts.append(
        f'<path d="M{left} {top + side}L{left + side} {top}" stroke="#1d2433" '
        'stroke-width="1.5" stroke-dasharray="5 4"/>'
        f'<text x="{left + side / 2}" y="{height - 6}" text-anchor="middle">confidence</text>'
    )
    return ''.join((*parts, '</svg>'))


def tick_step(largest: float) -> float:
    """Return 1, 2 or 5 times a power of ten, three to six of which reach the largest value."""
    if largest <= 0:
        return 1.0
    power = 10 ** math.floor(math.log10(largest / 3))
    return next(power * step for step in (1, 2, 5, 10) if largest / (power * step) <= 5)


def _start(width: int, height: int, title: str) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'


def _fixed(width: int, height: int, title: str) -> str:
    """Begin a chart that keeps its size in a wide window."""
    return _start(width, height, title).replace(
        '<svg ', f'<svg width="{width}" height="{height}" ', 1
    )


def _thinned(values: Sequence[float | None]) -> list[tuple[int, float]]:
    points = [(index, value) for index, value in enumerate(values) if value is not None]
    size = -(-len(points) // _MOST_POINTS) or 1
    groups = (points[start : start + size] for start in range(0, len(points), size))
    return [max(group, key=lambda point: point[1]) for group in groups]


def _shade(share: float, right: bool) -> str:
    """Return blue for what is right and red for what is wrong; the root shows small shares."""
    weight = math.sqrt(share)
    end = (36, 87, 197) if right else (200, 50, 31)
    red, green, blue = (round(246 + (value - 246) * weight) for value in end)
    return f'#{red:02x}{green:02x}{blue:02x}'
