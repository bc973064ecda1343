"""The section of a page about recordings that were played to the node in real time."""

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from .charts import Line, line_chart
from .sections import folded, legend
from .tables import told_drops

_MAIN, _LIMIT = '#2457c5', '#c8321f'


def online(report: Mapping[str, Any]) -> str:
    """Return table and charts of what came back online, or nothing without that."""
    section = report['online']
    if not section:
        return ''
    charts = [chart for source in section['sources'] if (chart := _chart(source))]
    return (
        '<section id="online"><h2>Online</h2><p class="soft">Each recording, played in real time '
        'to the running node by a camera process: the masks that came back under the stamps of '
        'its frames, and the milliseconds from the publishing of a frame until its mask was '
        'received.</p><div class="scroll"><table><tr><th>source</th>'
        '<th class="number">frames</th><th class="number">masks</th>'
        '<th class="number">p50 ms</th><th class="number">p95 ms</th>'
        '<th class="number">p99 ms</th><th class="number">mIoU</th>'
        '<th class="drops">drops</th></tr>'
        f'{"".join(_rows(section["sources"]))}</table></div>{folded(charts)}</section>'
    )


def _rows(sources: list[Mapping[str, Any]]) -> Iterator[str]:
    for source in sources:
        node, latency = source.get('node', {}), source.get('latency', {})
        told = ' '.join(node.get(key, '') for key in ('model', 'backend', 'precision', 'device'))
        miou = source.get('miou')
        numbers = (
            source.get('published', '–'),
            source.get('matched', '–'),
            *(_plain(latency.get(f'p{share}_ms')) for share in (50, 95, 99)),
            '–' if miou is None else f'{miou:.1%}',
        )
        cells = ''.join(f'<td class="number">{cell}</td>' for cell in numbers)
        drops = told_drops(source['drops']) if 'drops' in source else source['state']
        yield (
            f'<tr><td class="path">{escape(source["source"])}<br>'
            f'<span class="soft">{escape(told)}</span></td>{cells}'
            f'<td class="drops">{escape(drops)}</td></tr>'
        )


def _chart(source: Mapping[str, Any]) -> str:
    times = source.get('latency_ms', [])
    if sum(time is not None for time in times) < 2:
        return ''
    rate = source['camera_hz']
    limit = 1e3 / rate if rate else None
    entries = [('camera to mask', _MAIN)]
    if limit:
        entries.append((f'one camera period, {limit:.3g} ms', _LIMIT))
    names = [f'frame {number}' for number in range(len(times))]
    chart = line_chart([Line('camera to mask', _MAIN, times)], ' ms', names, limit)
    title = f'<h3>{escape(Path(source["source"]).name)}</h3>'
    return f'{title}<div class="chart">{legend(entries)}{chart}</div>'


def _plain(value: float | None) -> str:
    return '–' if value is None else f'{value:.0f}'
