"""Speed against cost as SVG, without a script: what ``sfnet benchmark --svg`` draws."""

from collections.abc import Sequence
from html import escape
import math

_WIDTH, _HEIGHT = 720, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 190, 20, 46
_COLORS = ('#2457c5', '#c8321f', '#2a8f4d', '#b3730b', '#7a3fb0', '#3a8fa3', '#6b7280')


def speed_chart(results: Sequence[dict]) -> str:
    """
    Draw frames a second over billions of multiply-adds, both logarithmic, a colour a backend.

    What points at a circle is told its figures, and the accuracy where that is known.

    :param results: dicts with backend, precision, model, input_size, gmac, frames_per_s and miou,
        by the name of what it was measured on.
    """
    names = list(dict.fromkeys(f'{r["backend"]} {r["precision"]}' for r in results))
    across = _Axis([r['gmac'] for r in results], _LEFT, _WIDTH - _RIGHT)
    up = _Axis([r['frames_per_s'] for r in results], _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12" fill="#1d2433">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>'
    ]
    for value in across.ticks():
        x = across.place(value)
        parts.append(f'<path d="M{x} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="#e6e9ef"/>')
        parts.append(f'<text x="{x}" y="{_HEIGHT - 28}" text-anchor="middle">{value:g}</text>')
    for value in up.ticks():
        y = up.place(value)
        parts.append(f'<path d="M{_LEFT} {y}H{_WIDTH - _RIGHT}" stroke="#e6e9ef"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{value:g}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">'
        'billions of multiply-adds a frame</text>'
        f'<text transform="translate(16 {_HEIGHT / 2}) rotate(-90)" text-anchor="middle">'
        'frames a second</text>'
    )
    for number, name in enumerate(names):
        color, y = _COLORS[number % len(_COLORS)], _TOP + 14 + 20 * number
        x = _WIDTH - _RIGHT + 16
        parts.append(f'<circle cx="{x}" cy="{y - 4}" r="5" fill="{color}"/>')
        parts.append(f'<text x="{x + 12}" y="{y}">{escape(name)}</text>')
        for r in results:
            if f'{r["backend"]} {r["precision"]}' == name:
                size = 'x'.join(map(str, r['input_size']))
                told = f'{r["model"]} at {size}, {name}: {r["frames_per_s"]:g} frames/s'
                told += ''.join(f', mIoU {miou:.1%} on {data}' for data, miou in r['miou'].items())
                parts.append(
                    f'<circle cx="{across.place(r["gmac"])}" cy="{up.place(r["frames_per_s"])}" '
                    f'r="5" fill="{color}" fill-opacity="0.8">'
                    f'<title>{escape(told)}</title></circle>'
                )
    return ''.join((*parts, '</svg>\n'))


class _Axis:
    """A logarithmic axis between two places, over a little more than the values."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self._low = math.log10(min(values, default=1) / 1.3)
        self._high = math.log10(max(values, default=1) * 1.3)
        self._start, self._end = start, end

    def place(self, value: float) -> float:
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return round(self._start + share * (self._end - self._start), 1)

    def ticks(self) -> list[float]:
        decades = range(math.floor(self._low), math.ceil(self._high) + 1)
        values = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
        return [value for value in values if self._low <= math.log10(value) <= self._high]
