"""The sections of a page: frames, classes, confusion, charts, sources."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from .charts import confusion_chart, Line, line_chart, reliability_chart
from .. import taxonomies

Report = Mapping[str, Any]

_LAYERS = {'prediction': 'Prediction', 'truth': 'Truth', 'error': 'Errors'}
_MAIN, _PALE, _SECOND, _LIMIT = '#2457c5', '#9db6ea', '#0f9d8a', '#c8321f'
# Charts beyond these are folded up.
_MOST_CHARTS = 3


def frames(pictures: Sequence[Mapping[str, Any]]) -> str:
    """Return the worst frames, each with a slider between input and overlay."""
    if not pictures:
        return ''
    figures = ''.join(_frame(picture) for picture in pictures)
    return (
        '<section id="frames"><h2>Worst frames</h2><p class="soft">Drag across a picture: the '
        'input is on the left, the overlay on the right. Errors are red; grey is not counted.</p>'
        f'<div class="frames">{figures}</div></section>'
    )


def _frame(picture: Mapping[str, Any]) -> str:
    layers = {name: picture[name] for name in _LAYERS if picture[name]}
    images = ''.join(
        f'<img class="layer" data-layer="{name}" alt="{_LAYERS[name]}" src="{data}"'
        f'{"" if name == "prediction" else " hidden"}>'
        for name, data in layers.items()
    )
    buttons = ''.join(
        f'<button type="button" data-layer="{name}" '
        f'aria-pressed="{"true" if name == "prediction" else "false"}">{_LAYERS[name]}</button>'
        for name in layers
    )
    source = Path(picture['source']).name
    size = f'width="{picture["width"]}" height="{picture["height"]}"'
    return (
        f'<figure class="frame"><figcaption><b>{escape(picture["score"] or "first frame")}</b>'
        f'{escape(source)}: {escape(picture["frame"])}</figcaption>'
        f'<div class="slider"><img alt="Input" {size} src="{picture["image"]}">{images}'
        '<span class="knob" aria-hidden="true">↔</span>'
        '<input type="range" min="0" max="100" value="50" step="0.5" '
        'aria-label="Where the overlay begins"></div>'
        f'<div class="views">{buttons}</div></figure>'
    )


def classes(report: Report) -> str:
    """Return the table of classes with bars, or nothing without labels."""
    if report['miou'] is None:
        return ''
    taxonomy, rows = taxonomies.get(report['taxonomy']), []
    for name, color in zip(taxonomy.classes, taxonomy.colors, strict=True):
        iou, boundary = report['iou'][name], report['boundary_iou_by_class'][name]
        swatch = f'<i class="swatch" style="background:rgb{color}"></i>'
        rows.append(
            f'<tr><td>{swatch}{escape(name)}</td>{_bar(iou, "")}{_bar(boundary, "second")}</tr>'
        )
    return (
        '<section id="classes"><h2>Classes</h2><p class="soft">Intersection over union of all '
        'frames together; a dash is a class that does not occur.</p><table class="classes">'
        '<tr><th>class</th><th colspan="2">IoU</th>'
        f'<th class="boundary" colspan="2">boundary IoU</th></tr>{"".join(rows)}</table></section>'
    )


def _bar(value: float | None, kind: str) -> str:
    hidden = ' boundary' if kind else ''
    if value is None:
        return f'<td class="bar{hidden}"></td><td class="number{hidden}">–</td>'
    return (
        f'<td class="bar{hidden}"><div class="track"><i class="{kind}" '
        f'style="width:{100 * value:.1f}%"></i></div></td>'
        f'<td class="number{hidden}">{100 * value:.1f}</td>'
    )


def confusion(report: Report) -> str:
    """Return the confusion matrix, or nothing without labels."""
    counts = np.array(report['confusion'])
    if not counts.any():
        return ''
    return (
        '<section id="confusion"><h2>Confusion</h2><p class="soft">Each row is a true class, in '
        'percent of its pixels by what was predicted; blue is right, red is wrong.</p>'
        f'<div class="scroll">{confusion_chart(counts, report["classes"])}</div></section>'
    )


def calibration(report: Report) -> str:
    """Return the reliability diagram, or nothing where the confidence was not asked for."""
    bins = report['calibration']
    if not bins:
        return ''
    return (
        '<section id="calibration"><h2>Calibration</h2><p class="soft">How often the model is '
        'right, by how sure it is. On the dashed line it is as often right as it says; below, it '
        'is too sure, above not sure enough. The darker a bar, the more pixels it stands for. The '
        f'expected calibration error is {report["calibration_error"]:.2%}.</p>'
        f'<div class="scroll">{reliability_chart(bins)}</div></section>'
    )


def times(report: Report) -> str:
    """Return the charts of every source, frame by frame."""
    charts = [
        chart
        for source, timings in zip(report['sources'], report['timings']['sources'], strict=True)
        if (chart := _source_charts(source, timings))
    ]
    if not charts:
        return ''
    return (
        '<section id="times"><h2>Frame by frame</h2><p class="soft">Milliseconds to read and to '
        'infer each frame; below, where frames follow each other, the share of pixels that '
        f'flicker.</p>{folded(charts)}</section>'
    )


def folded(charts: Sequence[str]) -> str:
    """Return the charts of the first sources, and the others folded up."""
    more = ''.join(charts[_MOST_CHARTS:])
    if more:
        more = f'<details><summary>{len(charts) - _MOST_CHARTS} more</summary>{more}</details>'
    return ''.join(charts[:_MOST_CHARTS]) + more


def _source_charts(source: Report, timings: Report) -> str:
    infer = timings.get('infer_ms', [])
    if len(infer) < 2:
        return ''
    frames = [frame for frame in source['frames'] if frame['inferred']]
    names = [frame['name'] for frame in frames]
    total = [one + other for one, other in zip(timings['read_ms'], infer, strict=True)]
    rate = timings['camera_hz']
    limit = 1e3 / rate if rate else None
    entries = [('read and infer', _MAIN), ('infer', _PALE)]
    if limit:
        entries.append((f'one camera period, {limit:.3g} ms', _LIMIT))
    lines = [Line('infer', _PALE, infer), Line('read and infer', _MAIN, total)]
    parts = [legend(entries) + line_chart(lines, ' ms', names, limit)]
    flicker = [frame.get('flicker') for frame in frames]
    if any(value is not None for value in flicker):
        shares = [None if value is None else 100 * value for value in flicker]
        chart = line_chart([Line('flicker', _SECOND, shares)], ' %', names)
        parts.append(legend([('flicker', _SECOND)]) + chart)
    title = f'<h3>{escape(Path(source["source"]).name)}</h3>'
    return title + ''.join(f'<div class="chart">{part}</div>' for part in parts)


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """Return names in the colours of their lines."""
    keys = ''.join(
        f'<span><i style="background:{color}"></i>{escape(name)}</span>' for name, color in entries
    )
    return f'<p class="legend">{keys}</p>'


def sources(report: Report) -> str:
    """Return the table of sources."""
    rows = ''.join(_source_rows(report))
    return (
        '<section id="sources"><h2>Sources</h2><div class="scroll"><table><tr><th>source</th>'
        '<th>state</th><th class="number">frames</th><th class="number">labelled</th>'
        '<th class="number">mIoU</th><th class="number">accuracy</th>'
        '<th class="number">flicker</th><th class="number">p95 ms</th>'
        f'<th class="number">lost</th></tr>{rows}</table></div></section>'
    )


def _source_rows(report: Report) -> Iterator[str]:
    for source, timings in zip(report['sources'], report['timings']['sources'], strict=True):
        counts = source['sums']['counts'] if 'sums' in source else {}
        stages = timings.get('stages')
        told = ', '.join(
            filter(None, (source.get('kind'), source.get('topic'), source.get('labels')))
        )
        cells = (
            counts.get('frames', '–'),
            counts.get('labelled', '–'),
            _percent(source.get('miou')),
            _percent(source.get('pixel_accuracy')),
            _percent(source.get('flicker')),
            _plain(stages and stages['total']['p95_ms']),
            _plain(timings.get('lost_frames')),
        )
        numbers = ''.join(f'<td class="number">{cell}</td>' for cell in cells)
        yield (
            f'<tr><td class="path">{escape(source["source"])}<br>'
            f'<span class="soft">{escape(told)}</span></td>'
            f'<td><span class="state {source["state"]}">{source["state"]}</span></td>'
            f'{numbers}</tr>'
        )


def _percent(value: float | None) -> str:
    return '–' if value is None else f'{value:.1%}'


def _plain(value: float | None) -> str:
    return '–' if value is None else f'{value:.0f}'
