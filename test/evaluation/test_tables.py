"""Reports on a terminal."""

from sfnet_ros.evaluation.comparing import Change
from sfnet_ros.evaluation.report import build_report
from sfnet_ros.evaluation.sums import Sums
from sfnet_ros.evaluation.tables import comparison_lines, report_lines

MODEL = {'name': 'm', 'taxonomy': 'camvid', 'backend': 'torch', 'precision': 'fp32'}


def test_only_so_many_problems_are_told_but_all_are_counted() -> None:
    sums = Sums('camvid', 'camvid')
    sums.counts['frames'] = sums.counts['broken_images'] = 30
    frames = [{'name': f'{number}', 'problems': ['image: cut']} for number in range(30)]
    result = {'source': 'bag', 'state': 'failed', 'problems': ['odd'], 'frames': frames}
    result |= {'sums': sums.to_json(), 'kind': 'bag', 'topic': '/a', 'labels': ''}
    outcomes = [{'result': result, 'timings': None, 'pictures': []}]
    lines = list(report_lines(build_report({'model': MODEL, 'against': None}, outcomes, 1)))
    assert lines[:2] == [
        '30 frames, 30 broken images; m on torch fp32, counted in camvid',
        'bag: bag, /a, failed',
    ]
    assert lines[2:4] == ['problem: bag: odd', 'problem: bag: 0: image: cut']
    assert len(lines) == 2 + 20 + 1
    assert lines[-1] == 'problem: and 11 more, all in the JSON (--json)'


def test_comparisons_show_shares_in_points() -> None:
    changes = [
        Change('miou', 0.5, 0.525, 'better'),
        Change('p95_ms', 80.0, 81.0, 'same'),
        Change('road', 0.9, None, 'unknown'),
    ]
    assert [line.split() for line in comparison_lines(changes)] == [
        ['before', 'after', 'change'],
        ['miou', '50.00%', '52.50%', '+2.50', 'better'],
        ['p95_ms', '80', '81', '+1'],
        ['road', '90.00%', '-', 'unknown'],
    ]
