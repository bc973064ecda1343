"""A report as one HTML page that needs nothing else: styles, script and pictures are inside."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from . import online_section, sections
from .comparing import figure
from ..errors import DataError

Report = Mapping[str, Any]

# Name in FIGURES, title, and how it is written.
_CARDS = (
    ('miou', 'mIoU', '{:.1%}'),
    ('pixel_accuracy', 'pixel accuracy', '{:.1%}'),
    ('boundary_iou', 'boundary IoU', '{:.1%}'),
    ('calibration_error', 'calibration error', '{:.1%}'),
    ('flicker', 'flicker', '{:.2%}'),
    ('agreement', 'agreement', '{:.1%}'),
    ('p95_ms', 'latency p95', '{:.0f} ms'),
    ('fps', 'frames/s', '{:.1f}'),
    ('lost_frames', 'lost frames', '{:.0f}'),
    ('online_answered', 'frames answered online', '{:.1%}'),
    ('online_p95_ms', 'online latency p95', '{:.0f} ms'),
    ('memory_mb', 'peak memory', '{:.0f} MB'),
)
_MOST_PROBLEMS = 40


def write_page(path: Path, report: Report, pictures: Sequence[Mapping[str, Any]]) -> None:
    """Write the page of a report; raises DataError when that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(report, pictures), encoding='utf-8')
    except OSError as error:
        raise DataError(f'{path} cannot be written: {error}; give another --html') from error


def page(report: Report, pictures: Sequence[Mapping[str, Any]]) -> str:
    """Return the page of a report, with pictures as ``Gallery.encoded`` returns them."""
    title = f'Evaluation of {report["model"]["name"]}'
    body = (
        _head(report, title),
        _cards(report),
        _problems(report),
        sections.frames(pictures),
        sections.classes(report),
        sections.confusion(report),
        sections.calibration(report),
        sections.times(report),
        online_section.online(report),
        sections.sources(report),
        _foot(report),
    )
    # An empty icon keeps browsers from asking a server for one.
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title>'
        f'<style>\n{_file("page.css")}</style></head>\n<body><main>\n'
        + '\n'.join(part for part in body if part)
        + f'\n</main>\n<script>\n{_file("page.js")}</script></body></html>\n'
    )


def _head(report: Report, title: str) -> str:
    model = report['model']
    told = [
        f'{model["network"]} with {model["backbone"]}',
        f'{model["input_width"]} x {model["input_height"]}',
        f'{model["backend"]} {model["precision"]} on {model["device"]}',
        f'{report["counts"]["inferred"]} frames, {report["counts"]["labelled"]} with labels',
        f'counted in {report["taxonomy"]}',
    ]
    if report['against']:
        told.append(f'compared with {report["against"]["name"]}')
    return (
        f'<header><h1>{escape(title)}</h1><p class="soft">{escape(" · ".join(told))}</p></header>'
    )


def _cards(report: Report) -> str:
    cards = []
    for name, title, form in _CARDS:
        value = figure(report, name)
        if value is not None:
            rate = report['timings']['camera_hz']
            told = f'{title} at {rate:.3g} Hz' if name == 'lost_frames' and rate else title
            cards.append(f'<div class="card"><b>{form.format(value)}</b><span>{told}</span></div>')
    return f'<div class="cards">{"".join(cards)}</div>'


def _problems(report: Report) -> str:
    lines = [*report['problems']]
    for source in report['sources']:
        lines += [
            f'{Path(source["source"]).name}: {frame["name"]}: {problem}'
            for frame in source.get('frames', [])
            for problem in frame.get('problems', [])
        ]
    if not lines:
        return ''
    items = ''.join(f'<li>{escape(line)}</li>' for line in lines[:_MOST_PROBLEMS])
    if len(lines) > _MOST_PROBLEMS:
        items += f'<li>and {len(lines) - _MOST_PROBLEMS} more, which the JSON has</li>'
    return f'<section class="problems"><h2>Problems</h2><ul>{items}</ul></section>'


def _foot(report: Report) -> str:
    lost = 'Lost frames are those that a camera at the recorded rate would have sent in vain.'
    return (
        f'<footer class="soft"><p>{lost} Boundary IoU looks at pixels near class boundaries only. '
        'Flicker is the share of pixels whose class changes between frames after motion '
        f'compensation.</p><p>Made {escape(report["timings"]["made"])}; weights '
        f'{escape(report["model"]["sha256"][:12])}; {escape(report["schema"])}</p></footer>'
    )


def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding='utf-8')
