"""``sfnet_play``: a bag, a video or image files as a camera on the graph, in real time."""

import argparse
from collections.abc import Iterator
import itertools
import os
import sys
import time

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from tqdm import tqdm

from . import transport
from .messages import from_array
from .signals import Interruption, Stop
from ..errors import DataError, SfnetError
from ..evaluation.frames import Frames, open_frames, SourceFrame

_RELIABILITY = {
    'best_effort': ReliabilityPolicy.BEST_EFFORT,
    'reliable': ReliabilityPolicy.RELIABLE,
}
# What is on its way when the last frame was published.
_LINGER_S = 1.0


def main(args: list[str] | None = None) -> int:
    """Play a source onto the graph; returns the exit code."""
    stop = Stop()
    arguments = sys.argv if args is None else ['sfnet_play', *args]
    options = _parser().parse_args(remove_ros_args(arguments)[1:])
    notes = transport.prepare(os.environ, options.transport)
    code = 0
    try:
        with stop.interrupting():
            frames = open_frames(options.source, options.topic)
            rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
            node = rclpy.create_node('player')
            for note in notes:
                node.get_logger().info(note)
            for warning in transport.warnings(os.environ):
                node.get_logger().warning(warning)
            _play(node, frames, options)
    except SfnetError as error:
        print(f'sfnet_play: {error}', file=sys.stderr)
        code = 1
    except Interruption:
        pass
    stop.ignore()
    rclpy.try_shutdown()
    return code


def message_of(frame: SourceFrame, now_ns: int, raw: bool) -> Image | CompressedImage:
    """
    Return a frame as the message it was recorded from, with the stamp of its header.

    :param now_ns: the stamp where the source has none. :param raw: decode compressed frames.
    """
    stamp_ns = now_ns if frame.stamp_ns is None else frame.stamp_ns
    header = Header(frame_id=frame.frame_id)
    header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 10**9)
    if frame.format and raw:
        return from_array(frame.rgb(), header)
    message: Image | CompressedImage
    if frame.format:
        message = CompressedImage(header=header, format=frame.format)
    else:
        message = Image(
            header=header,
            encoding=frame.encoding,
            height=frame.height,
            width=frame.width,
            step=frame.step,
            is_bigendian=int(frame.is_bigendian),
        )
    message.data.frombytes(frame.data.data)
    return message


def _play(node: Node, frames: Frames, options: argparse.Namespace) -> None:
    raw = options.raw or not frames.compressed
    publisher = node.create_publisher(
        Image if raw else CompressedImage,
        'image' if raw else 'image/compressed',
        QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=options.depth,
            reliability=_RELIABILITY[options.qos],
        ),
    )
    if options.wait:
        _wait_for_subscriber(publisher, options.wait)
    total = None if options.loop else len(frames)
    count = 0
    with (
        tqdm(total=total, desc=publisher.topic_name, unit='frame') as bar,
        open(options.times, 'w', encoding='ascii') as times,
    ):
        for frame in _paced(frames, options.rate, options.loop):
            message = message_of(frame, node.get_clock().now().nanoseconds, raw)
            stamp = message.header.stamp
            times.write(f'{stamp.sec * 10**9 + stamp.nanosec} {time.monotonic_ns()}\n')
            publisher.publish(message)
            count += 1
            bar.update()
    if options.qos == 'reliable':
        publisher.wait_for_all_acked(Duration(seconds=_LINGER_S))
    else:
        time.sleep(_LINGER_S)
    node.get_logger().info(f'{count} frames published on {publisher.topic_name}')


def _paced(frames: Frames, rate: float, loop: bool) -> Iterator[SourceFrame]:
    """Yield each frame when it is due, as it was recorded, again and again with loop."""
    for _ in itertools.count() if loop else range(1):
        started_s, first_ns = time.monotonic(), None
        for frame in frames:
            first_ns = frame.time_ns if first_ns is None else first_ns
            due_s = started_s + (frame.time_ns - first_ns) / 1e9 / rate
            time.sleep(max(0.0, due_s - time.monotonic()))
            yield frame
        # As long as between two frames: the last one has its time too.
        time.sleep((time.monotonic() - started_s) / max(len(frames) - 1, 1) if loop else 0)


def _wait_for_subscriber(publisher: Publisher, timeout_s: float) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not publisher.get_subscription_count():
        if time.monotonic() > deadline_s:
            raise DataError(
                f'no one subscribed to {publisher.topic_name} within {timeout_s:g} s; expected a '
                'running segmenter: start it, set its image_transport to what is played here (raw '
                'or compressed), or wait longer with --wait'
            )
        time.sleep(0.05)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='sfnet_play', description=__doc__.splitlines()[0])
    parser.add_argument('source', help='rosbag2, video, folder of images, or image')
    parser.add_argument('--topic', default='', help='image topic of the bag to play')
    parser.add_argument('--rate', type=_positive, default=1.0, help='speed, 1 is real time')
    parser.add_argument('--loop', action='store_true', help='begin again at the end')
    parser.add_argument('--raw', action='store_true', help='publish image, decoded, in any case')
    parser.add_argument('--qos', choices=tuple(_RELIABILITY), default='best_effort')
    parser.add_argument('--depth', type=int, default=5, help='frames kept for slow readers')
    parser.add_argument(
        '--wait', type=float, default=30.0, help='seconds to wait for a subscriber; 0: do not'
    )
    parser.add_argument(
        '--times',
        default=os.devnull,
        metavar='FILE',
        help='write stamp and time of publication (CLOCK_MONOTONIC, both in ns) of every frame',
    )
    parser.add_argument('--transport', choices=transport.CHOICES, default='auto')
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float('inf'):
        raise argparse.ArgumentTypeError(f'{text} is not above zero')
    return value


if __name__ == '__main__':
    sys.exit(main())
