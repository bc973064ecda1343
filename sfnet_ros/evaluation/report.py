"""
One report of all sources, as JSON: the schema ``sfnet_ros/evaluation/1``.

Everything outside ``timings`` and ``online`` is the same at every run over the same files. Figures
are shares from 0 to 1, unrounded, and null where nothing was counted; pixel counts are whole
numbers.

========================  =========================================================================
``schema``                ``sfnet_ros/evaluation/1``; the number rises when a key changes meaning
``model``, ``against``    the models: name, network, backbone, taxonomy, sha256 of the weights,
                          input size, backend, device, precision; ``against`` is null without one
``taxonomy``, ``classes`` what was counted in, and the names in the order of ``confusion``
``counts``                frames by what became of them; the keys are those of ``sums.COUNTS``
``miou``, ``iou``         intersection over union by class, over all frames at once; the mean is
                          over the classes that occur in truth or prediction
``pixel_accuracy``        share of the labelled pixels that are right
``boundary_iou``          mean IoU of the pixels near class boundaries (0.5 % of the diagonal);
                          ``boundary_iou_by_class`` by class
``calibration_error``     expected calibration error (ECE, l1) over the labelled pixels, asked for
                          by ``--calibration``; ``calibration`` its 15 bins of confidence: edges
                          (``above``, ``up_to``: an edge belongs to the bin below), ``pixels``,
                          and their mean ``confidence`` and ``accuracy``; confidence is that of
                          the model's own class, also where classes are merged by ``taxonomy``
``confusion``             pixels by true class (rows) and predicted class (columns); the last
                          column is pixels that were predicted as no class
``flicker``               share of pixels whose class changes between frames that follow each
                          other, after motion compensation
``agreement``             share of pixels to which ``model`` and ``against`` give the same class;
                          ``agreement_miou`` the mean IoU of one as measured by the other
``problems``              what went wrong, in words, with the source it concerns
``sources``               of each source: ``source``, ``state`` (complete, partial, failed),
                          ``kind``, ``topic``, ``labels``, ``problems``, the figures above,
                          ``sums`` (whole numbers they follow from), and ``frames``: ``name``,
                          ``inferred``, ``stamp_ns``, ``pixel_accuracy``, ``miou``, ``flicker``,
                          ``agreement``, ``problems``, as far as there are any
``online``                null, or what came back when the recordings were played to the node in
                          real time (``--online``): ``published`` frames, ``matched`` ones (a mask
                          came under their stamp), ``answered`` (the share of these), ``drops`` by
                          cause, ``latency`` (from the camera's publish call until the mask is in
                          the receiver's hands: p50_ms, p95_ms, p99_ms), ``miou``, ``iou``,
                          ``pixel_accuracy`` of the masks that came, and ``sources``: the same of
                          each, with ``node`` (its model), ``stages`` (its own latencies, of its
                          last frames), ``latency_ms`` (of each frame, null without a mask)
``timings``               ``stages`` (read, infer, total, each with p50_ms, p95_ms, p99_ms),
                          ``frames_per_s``, ``peak_memory_mb``, ``camera_hz``, ``lost_frames`` (how
                          many a camera at the recorded rate would have lost), ``workers``, and
                          ``sources``: the same of each source, with the time of each frame
========================  =========================================================================

The first inference of an image size is not timed, nor is the one that gives the confidence.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
import json
from pathlib import Path
from typing import Any

from .sums import Sums
from .timing import speed
from .. import taxonomies
from ..errors import DataError

SCHEMA = 'sfnet_ros/evaluation/1'


def build_report(
    facts: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]], workers: int
) -> dict[str, Any]:
    """
    Put the outcomes of all sources together.

    :param facts: ``model`` and ``against``, as ``Models.facts`` returns them.
    :param outcomes: what ``evaluate_source`` returned, in the order of the sources.
    """
    results = [outcome['result'] for outcome in outcomes]
    sums, problems = _added(results, str(facts['model']['taxonomy']))
    figures = sums.figures()
    return {
        'schema': SCHEMA,
        **facts,
        'taxonomy': sums.taxonomy,
        'classes': list(taxonomies.get(sums.taxonomy).classes),
        'counts': sums.counts,
        **figures,
        'confusion': sums.confusion.counts.tolist(),
        'problems': [*problems, *_problems(results)],
        'sources': results,
        'online': None,
        'timings': _timings(outcomes, workers),
    }


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report as JSON; raises DataError when that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
        path.write_text(text + '\n', encoding='utf-8')
    except OSError as error:
        raise DataError(f'{path} cannot be written: {error}; give another --json') from error


def read_report(path: Path) -> dict[str, Any]:
    """Read a report that was written as JSON; raises DataError."""
    try:
        report = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise DataError(f'{path} cannot be read: {error}') from error
    found = report.get('schema') if isinstance(report, dict) else None
    if found != SCHEMA:
        raise DataError(
            f'{path} has the schema {found!r}; expected {SCHEMA}: a file that '
            '`sfnet evaluate --json` of this version wrote'
        )
    return report


def _added(results: Sequence[Mapping[str, Any]], model: str) -> tuple[Sums, list[str]]:
    """Add the sums of the sources; without a mean over sources counted in different classes."""
    parts = [Sums.from_json(result['sums']) for result in results if 'sums' in result]
    labelled = {part.taxonomy for part in parts if part.counts['labelled']}
    total = Sums(min(labelled, default=model), model)
    for part in parts:
        total.add(part)
    if len(labelled) < 2:
        return total, []
    total.clear_accuracy()
    return total, [
        f'the sources are counted in {", ".join(sorted(labelled))}, of which there is no mean; '
        'ask for one taxonomy with --count-in'
    ]


def _problems(results: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        problem if problem.startswith(result['source']) else f'{result["source"]}: {problem}'
        for result in results
        for problem in result['problems']
    ]


def _timings(outcomes: Sequence[Mapping[str, Any]], workers: int) -> dict[str, Any]:
    parts = [outcome['timings'] for outcome in outcomes if outcome['timings']]
    read = [time for part in parts for time in part['read_ms']]
    infer = [time for part in parts for time in part['infer_ms']]
    lost = [part['lost_frames'] for part in parts if part['lost_frames'] is not None]
    rates = {part['camera_hz'] for part in parts if part['camera_hz'] is not None}
    return {
        'made': datetime.now(timezone.utc).isoformat(timespec='seconds'),
        'workers': workers,
        **speed(read, infer),
        'peak_memory_mb': max((part['peak_memory_mb'] or 0 for part in parts), default=None),
        'camera_hz': rates.pop() if len(rates) == 1 else None,
        'lost_frames': sum(lost) if lost else None,
        'sources': [
            {'source': outcome['result']['source'], **(outcome['timings'] or {})}
            for outcome in outcomes
        ],
    }
