"""``sfnet evaluate``: how good a model is on recordings and data sets, and how fast here."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
import sys
from typing import Any

from .evaluate_online import check_online, play_online
from .segment import add_model_arguments
from .. import taxonomies
from ..errors import DataError, TaxonomyError
from ..evaluation.comparing import cautions, compare, misses, parse_limits
from ..evaluation.layouts import LAYOUTS
from ..evaluation.models import SCALES, Setup
from ..evaluation.online import build_section
from ..evaluation.page import write_page
from ..evaluation.report import read_report, write_report
from ..evaluation.samples import SourceSpec
from ..evaluation.tables import comparison_lines, report_lines
from ..evaluation.workers import evaluate
from ..inference.choice import choose_model

# The exit code when a limit of --fail-under is missed; 1 says that a source could not be read.
MISSED = 2
_MODEL_ARGUMENTS = (
    'weights', 'network', 'backbone', 'dataset', 'input_height', 'input_width', 'backend',
    'precision',
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``sfnet evaluate``."""
    parser.add_argument(
        'source', nargs='*', help='rosbag2, video, folder of images, or folder of a data set'
    )
    _add_source_arguments(parser.add_argument_group('sources'))
    _add_report_arguments(parser.add_argument_group('report'))
    _add_online_arguments(parser.add_argument_group('online'))
    parser.add_argument(
        '--scales',
        type=float,
        nargs='*',
        metavar='SCALE',
        help='average the logits over these scales of the input size, as the papers do '
        f'(without numbers: {" ".join(map(str, SCALES))}); torch backend',
    )
    parser.add_argument(
        '--flip', action='store_true', help='average with the mirrored image; torch backend'
    )
    add_model_arguments(parser)


def _add_source_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--layout', choices=tuple(LAYOUTS), default='', help='of a data set; found out by itself'
    )
    group.add_argument('--split', default='', help='such as val; what the layout calls it')
    group.add_argument('--topic', default='', help='images of a bag (default: most messages)')
    group.add_argument('--label-topic', default='', help='ground truth in the bag, by stamp')
    group.add_argument(
        '--labels', default='', help='folder of ground truth, by name, stamp or frame number'
    )
    group.add_argument(
        '--labels-taxonomy', default='', type=_taxonomy, metavar='NAME',
        help='what the ids or colours of labels mean: a table of classes (.csv), or '
        f'{", ".join(taxonomies.NAMES)} (default: of a data set its own, else cityscapes, or the '
        'classes of a model that has its own)',
    )  # fmt: skip
    group.add_argument(
        '--label-palette', default='', metavar='CSV', help='lines of red,green,blue,class name'
    )
    group.add_argument('--limit', type=int, default=0, metavar='FRAMES', help='of each source')


def _add_report_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--count-in', default='', choices=('', *taxonomies.NAMES), metavar='NAME',
        help='taxonomy of the figures (default: that of the labels)',
    )  # fmt: skip
    group.add_argument(
        '--calibration', action='store_true',
        help='also the calibration error of the confidence (each labelled image runs twice)',
    )  # fmt: skip
    group.add_argument('--against', default='', metavar='WEIGHTS', help='a model to agree with')
    group.add_argument('--json', type=Path, help='write the report to this file')
    group.add_argument('--html', type=Path, help='write the report as a page to this file')
    group.add_argument(
        '--compare', nargs=2, type=Path, metavar='JSON', help='only compare two reports'
    )
    group.add_argument(
        '--fail-under', default='', metavar='LIMITS',
        help='such as miou=0.6,p95_ms=80: exit code 2 when a figure is worse',
    )  # fmt: skip
    group.add_argument('--workers', type=int, default=1, help='processes, for several sources')
    group.add_argument(
        '--cluster', default='', metavar='ADDRESS',
        help='of a Dask scheduler, such as tcp://host:8786: its workers evaluate the sources',
    )  # fmt: skip
    group.add_argument(
        '--resume', type=Path, metavar='FOLDER', help='keep finished sources here, and use them'
    )


def _add_online_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--online', action='store_true',
        help='then play each recording, as a whole, to the node in real time (needs ROS 2)',
    )  # fmt: skip
    group.add_argument(
        '--node', default='', metavar='NAME',
        help='of a segmenter that runs, such as /segmenter, in the place of one started here',
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Print the figures, and write the reports that are asked for."""
    if options.compare:
        return _compare(*options.compare)
    limits = parse_limits(options.fail_under) if options.fail_under else {}
    specs, setup = _specs(options), _setup(options)
    _check(options, setup)
    report, pictures = evaluate(specs, setup, options.workers, options.resume, options.cluster)
    if options.online:
        recordings = _recordings(specs, report)
        report['online'] = build_section(play_online(recordings, setup, options.node))
        report['problems'] += report['online']['problems']
    print('\n'.join(report_lines(report)))
    if options.json:
        write_report(options.json, report)
    if options.html:
        write_page(options.html, report, pictures)
    missed = misses(report, limits)
    for line in missed:
        print(f'missed: {line}', file=sys.stderr)
    if missed:
        return MISSED
    online = report['online']['sources'] if report['online'] else report['sources']
    states = {source['state'] for source in (*report['sources'], *online)}
    return int(states != {'complete'} or not online)


def _check(options: argparse.Namespace, setup: Setup) -> None:
    """Refuse what cannot be done before anything is done."""
    if not options.source:
        raise DataError('no source was given; expected bags, videos, folders or data sets')
    if min(options.workers, options.limit + 1) < 1:
        raise DataError('--workers must be 1 or more, --limit 0 or more')
    if options.node and not options.online:
        raise DataError('--node is for --online; expected both, or neither')
    if options.online:
        check_online(setup)


def _recordings(specs: Sequence[SourceSpec], report: Mapping[str, Any]) -> list[SourceSpec]:
    """Return what can be played: neither data sets, nor what could not be read a moment ago."""
    kinds = {source['source']: source.get('kind', 'dataset') for source in report['sources']}
    return [spec for spec in dict.fromkeys(specs) if kinds[spec.path] != 'dataset']


def _compare(before: Path, after: Path) -> int:
    reports = read_report(before), read_report(after)
    print('\n'.join(comparison_lines(compare(*reports))))
    for line in cautions(*reports):
        print(f'caution: {line}')
    return 0


def _specs(options: argparse.Namespace) -> list[SourceSpec]:
    names = (
        'layout', 'split', 'topic', 'label_topic', 'labels', 'labels_taxonomy', 'label_palette',
        'limit',
    )  # fmt: skip
    chosen = {name: getattr(options, name) for name in names}
    # Only labels in classes of its own can be compared with a model that knows no others.
    choice = choose_model(options.weights, options.network, options.backbone, options.dataset)
    known = choice.facts.taxonomy
    own = known if known.endswith(taxonomies.TABLE_SUFFIX) else 'cityscapes'
    return [SourceSpec(path=source, own_taxonomy=own, **chosen) for source in options.source]


def _taxonomy(text: str) -> str:
    try:
        if text:
            taxonomies.get(text)
    except TaxonomyError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _setup(options: argparse.Namespace) -> Setup:
    scales: tuple[float, ...] = ()
    if options.scales is not None:
        scales = tuple(options.scales) or SCALES
    if scales or options.flip:
        options.backend = 'torch'
    return Setup(
        model={name: getattr(options, name) for name in _MODEL_ARGUMENTS},
        against=options.against,
        scales=scales,
        flip=options.flip,
        calibration=options.calibration,
        count_in=options.count_in,
    )
