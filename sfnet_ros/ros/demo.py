"""
The demo: a bag or video through the real node in processes of its own, pictures and figures out.

This process starts the node, waits until it is ready, starts the player, and records what the node
publishes. Without a bag or video of the user's a drive through a rendered street is played, whose
exact labels give an accuracy as well.
"""

import argparse
import json
import os
from pathlib import Path
import sys

import rclpy

from . import transport
from .processes import running
from .recorder import Recorder
from .sheet import contact_sheet
from .. import taxonomies
from ..errors import DataError, SfnetError
from ..evaluation.frames import Frames, open_frames
from ..evaluation.metrics import ConfusionMatrix
from ..scenes.bag import LABEL_TOPIC, write_street_bag

_READY_TIMEOUT_S = 120.0
_SETTLE_TIMEOUT_S = 30.0


def main(args: list[str] | None = None) -> int:
    """Run the demo; returns the exit code, 1 when no mask came."""
    options = _parser().parse_args(args)
    # Apart from whatever else runs here; a domain, because the range LOCALHOST would keep Fast DDS
    # from taking the transport settings, without which large images get lost.
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
    transport.prepare(os.environ)
    try:
        return _run(options)
    except SfnetError as error:
        print(f'demo: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace) -> int:
    output: Path = options.output
    output.mkdir(parents=True, exist_ok=True)
    source = options.bag or options.video or _sample_bag(output)
    frames = open_frames(source, options.topic)
    rclpy.init()
    recorder = Recorder()
    try:
        transport_argument = f'image_transport:={_kind(frames)}'
        with running('start', '--ros-args', '-p', transport_argument) as segmenter:
            recorder.wait_until_ready(_READY_TIMEOUT_S, segmenter)
            print(f'model {recorder.model}', flush=True)
            _play(source, frames, recorder)
            recorder.wait_until_settled(_SETTLE_TIMEOUT_S)
    finally:
        recorder.destroy_node()
        rclpy.try_shutdown()
    return _report(options, source, frames, recorder)


def _sample_bag(output: Path) -> Path:
    bag = output / 'sample_bag'
    if not (bag / 'metadata.yaml').is_file():
        print(f'rendering a street into {bag}', flush=True)
        write_street_bag(bag)
    return bag


def _kind(frames: Frames) -> str:
    return 'compressed' if frames.compressed else 'raw'


def _play(source: Path, frames: Frames, recorder: Recorder) -> None:
    arguments = [str(source), *(('--topic', frames.topic) if frames.topic else ())]
    with running('player', *arguments) as player:
        while player.poll() is None:
            recorder.spin(0.05)
        if player.returncode:
            raise DataError(f'the player ended with exit code {player.returncode}, see above')


def _report(options: argparse.Namespace, source: Path, frames: Frames, recorder: Recorder) -> int:
    """Write the contact sheet and the figures, and print them in a line."""
    summary = {'source': str(source), 'frames_played': len(frames), **recorder.figures()}
    if not recorder.pictures:
        print(f'demo: no mask came: {json.dumps(summary)}', file=sys.stderr)
        return 1
    if source == options.output / 'sample_bag':
        summary['miou'], summary['pixel_accuracy'] = _accuracy(source, recorder)
    picture = options.output / 'overlays.jpg'
    contact_sheet(recorder.pictures, recorder.classes, picture)
    (options.output / 'summary.json').write_text(json.dumps(summary, indent=2) + '\n')
    drops = ', '.join(f'{count} {cause}' for cause, count in summary['drops'].items() if count)
    accuracy = f', mIoU {summary["miou"]:.3f}' if 'miou' in summary else ''
    print(
        f'{summary["frames_in"]} of {len(frames)} frames in, {summary["frames_out"]} out, '
        f'drops: {drops or "none"}, latency p50 {summary["latency_p50_ms"]:.0f} ms, '
        f'p95 {summary["latency_p95_ms"]:.0f} ms{accuracy}\n'
        f'pictures in {picture}, figures in {options.output / "summary.json"}'
    )
    return 0


def _accuracy(bag: Path, recorder: Recorder) -> tuple[float, float]:
    """Compare the masks that came with the labels of the rendered street, by stamp."""
    matrix = ConfusionMatrix(len(taxonomies.get('cityscapes').classes))
    for truth in open_frames(bag, LABEL_TOPIC):
        ids = recorder.labels.get(truth.stamp_ns or 0)
        if ids is not None:
            matrix.add(truth.data.reshape(truth.height, truth.width), ids)
    return round(matrix.mean_iou, 4), round(matrix.pixel_accuracy, 4)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='demo', description=__doc__.splitlines()[1])
    source = parser.add_mutually_exclusive_group()
    source.add_argument('--bag', type=Path, help='rosbag2 to play (sqlite3 or mcap)')
    source.add_argument('--video', type=Path, help='video file or folder of images to play')
    parser.add_argument('--topic', default='', help='image topic of the bag')
    parser.add_argument('--output', type=Path, default=Path('demo_out'), help='folder to write')
    return parser


if __name__ == '__main__':
    sys.exit(main())
