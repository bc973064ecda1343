"""
What the ROS part costs: from the camera's publish to the mask received, against the bare backend.

Camera, node and receiver are processes of their own, as in real life, and the bare backend is
another one. They work in turns, because on a shared machine only what alternates can be compared.
"""

import argparse
from dataclasses import dataclass, field
import json
import os
import sys
import time
from typing import Any

import numpy as np
from tqdm import tqdm

from . import transport
from .probes import ENCODINGS, start_probe
from .processes import running
from ..errors import SfnetError
from ..inference.conversation import Partner

# Of what the bare backend serves: what a node must serve without a loss, and what is too much.
_SERVABLE, _EXCESS = 0.75, 1.1
_WARM_UP_FRAMES = 5
_LAST_MASK_S = 2.0
_REPORT_S = 1.5


@dataclass
class Figures:
    """What all turns gave; durations in seconds, stamps and arrivals in ns."""

    bare_s: list[float] = field(default_factory=list)
    node_s: list[float] = field(default_factory=list)
    # Frames that were published at a rate that can be served, and those of them without a mask.
    sent: int = 0
    lost: int = 0
    # Of all that were published, too fast or not, and of those what the node says it received.
    published: int = 0
    received: int = 0
    # Of each turn.
    rates_hz: list[float] = field(default_factory=list)
    bare_per_s: list[float] = field(default_factory=list)
    node_per_s: list[float] = field(default_factory=list)


def main(args: list[str] | None = None) -> int:
    """Measure, and print the figures as JSON; returns the exit code."""
    options = _parser().parse_args(args)
    # Apart from whatever else runs here, as the demo is.
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    os.environ.pop('ROS_AUTOMATIC_DISCOVERY_RANGE', None)
    transport.prepare(os.environ)
    try:
        print(json.dumps(_measure(options)), flush=True)
    except SfnetError as error:
        print(f'roundtrip: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    image = {'height': options.image_size[0], 'width': options.image_size[1]}
    bare = start_probe(
        'bare', **image, weights=options.weights, size=options.size, backend=options.backend,
        precision=options.precision,
    )  # fmt: skip
    # First and alone: it may convert the model, and what it chose is what the node is told.
    facts = bare.read()
    height, width = facts['input_size']
    parameters = {
        'weights': options.weights or "''", 'input_height': height, 'input_width': width,
        'backend': facts['backend'], 'precision': facts['precision'],
        'image_transport': 'compressed' if options.encoding == 'jpeg' else 'raw',
    }  # fmt: skip
    arguments = [part for item in parameters.items() for part in ('-p', '{}:={}'.format(*item))]
    with running('start', '--ros-args', '--log-level', 'warn', *arguments):
        camera = start_probe('camera', **image, encoding=options.encoding)
        receiver = start_probe('receiver', **image)
        camera.read()
        receiver.read()
        figures, told = _turns(options, bare, camera, receiver)
        for probe in (camera, receiver, bare):
            probe.close()
    what = {'image_size': options.image_size, 'encoding': options.encoding}
    return facts | what | _summary(figures) | {'stages_ms': _stages(told)}


def _turns(
    options: argparse.Namespace, bare: Partner, camera: Partner, receiver: Partner
) -> tuple[Figures, dict[str, str]]:
    """Let all work in turns; returns the figures, and the node's own."""
    figures = Figures()
    bare_s = bare.ask(frames=_WARM_UP_FRAMES)['times_s']
    receiver.ask()
    # What both ends do not know of each other yet may lose the first.
    _node_turn(camera, receiver, _WARM_UP_FRAMES, _SERVABLE / max(bare_s))
    before = _received(receiver)
    for _ in tqdm(range(options.rounds), desc='node and backend', unit='round'):
        times_s = bare.ask(frames=options.frames)['times_s']
        figures.bare_s += times_s
        figures.bare_per_s.append(len(times_s) / sum(times_s))
        rate_hz = options.rate or _SERVABLE / float(np.median(figures.bare_s))
        figures.rates_hz.append(rate_hz)
        stamps_ns, answer = _node_turn(camera, receiver, options.frames, rate_hz)
        arrivals = dict(answer['arrivals_ns'])
        figures.node_s += [(arrivals[stamp] - stamp) / 1e9 for stamp in arrivals]
        figures.sent += len(stamps_ns)
        figures.lost += sum(stamp not in arrivals for stamp in stamps_ns)
        excess_hz = _EXCESS * figures.bare_per_s[-1]
        _, answer = _node_turn(camera, receiver, options.frames, excess_hz)
        times_ns = [arrived for _, arrived in answer['arrivals_ns']]
        if len(times_ns) > 1:
            figures.node_per_s.append((len(times_ns) - 1) * 1e9 / (times_ns[-1] - times_ns[0]))
    figures.published = 2 * options.rounds * options.frames
    figures.received = _received(receiver) - before
    answer = receiver.ask()
    if not figures.node_s or not figures.node_per_s:
        raise SfnetError('no mask came back; the log of the node above may say why')
    if answer['wrong']:
        raise SfnetError(f'{answer["wrong"]} masks have another size than the images')
    return figures, answer['diagnostics']


def _received(receiver: Partner) -> int:
    """Return how many frames reached the node, by its next report."""
    time.sleep(_REPORT_S)
    return int(receiver.ask()['diagnostics'].get('frames in', 0))


def _node_turn(
    camera: Partner, receiver: Partner, frames: int, rate_hz: float
) -> tuple[list[int], dict[str, Any]]:
    """Let the camera publish; returns its stamps, and what the receiver got."""
    stamps_ns = camera.ask(frames=frames, rate_hz=rate_hz)['stamps_ns']
    deadline_s = time.monotonic() + _LAST_MASK_S
    answer = receiver.ask()
    while time.monotonic() < deadline_s and stamps_ns[-1] not in dict(answer['arrivals_ns']):
        time.sleep(0.05)
        more = receiver.ask()
        answer = more | {'arrivals_ns': answer['arrivals_ns'] + more['arrivals_ns']}
    return stamps_ns, answer


def _summary(figures: Figures) -> dict[str, Any]:
    bare = np.percentile(figures.bare_s, (50, 95)) * 1000
    node = np.percentile(figures.node_s, (50, 95)) * 1000
    per_s = [np.array(turns) for turns in (figures.bare_per_s, figures.node_per_s)]
    return {
        'rate_hz': round(float(np.median(figures.rates_hz)), 2),
        'sent': figures.sent,
        'lost': figures.lost,
        'published': figures.published,
        'lost_on_the_way': figures.published - figures.received,
        'bare_ms': {'p50': round(bare[0], 2), 'p95': round(bare[1], 2)},
        'node_ms': {'p50': round(node[0], 2), 'p95': round(node[1], 2)},
        'added_ms': {
            'p50': round(node[0] - bare[0], 2),
            'p95': round(node[1] - bare[1], 2),
        },
        'bare_per_s': round(float(np.median(per_s[0])), 2),
        'node_per_s': round(float(np.median(per_s[1])), 2),
        'throughput': round(float(np.median(per_s[1]) / np.median(per_s[0])), 4),
    }


def _stages(told: dict[str, str]) -> dict[str, float]:
    """Return the node's own medians; waiting is left out, as too fast a camera makes it long."""
    return {name: float(told[f'{name} p50 [ms]']) for name in ('convert', 'infer', 'publish')}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='roundtrip', description=__doc__.splitlines()[1])
    parser.add_argument('--image-size', type=_size, default=(1024, 2048), metavar='HEIGHTxWIDTH')
    parser.add_argument('--encoding', choices=ENCODINGS, default='rgb8')
    parser.add_argument('--rate', type=float, default=0.0, help='frames/s; 0: 3/4 of the bare')
    parser.add_argument('--weights', default='')
    parser.add_argument('--size', type=_size, default=(0, 0), help='input of the network')
    parser.add_argument('--backend', default='auto')
    parser.add_argument('--precision', default='auto')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--frames', type=int, default=30, help='frames in a turn of each')
    return parser


def _size(text: str) -> tuple[int, int]:
    height, width = map(int, text.split('x'))
    return height, width


if __name__ == '__main__':
    sys.exit(main())
