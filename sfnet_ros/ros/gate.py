"""Which frames are worth working on: not too many in a second, and not too old."""

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image


class RateGate:
    """Lets frames pass at a rate on average, also one that does not divide the camera's."""

    def __init__(self) -> None:
        self._due_s = 0.0

    def passes(self, now_s: float, rate_hz: float) -> bool:
        """Return whether a frame that comes now may pass; 0 Hz is no limit."""
        period_s = 1 / rate_hz if rate_hz > 0 else 0.0
        # The rate may have been raised since.
        self._due_s = min(self._due_s, now_s + period_s)
        if now_s < self._due_s:
            return False
        # A frame that comes a little late does not delay those after it.
        self._due_s = max(self._due_s + period_s, now_s)
        return True


def age_s(node: Node, message: Image | CompressedImage, waited_s: float) -> float:
    """
    Return how old an image is by its stamp and the node's clock, which use_sim_time chooses.

    Below zero when the stamp is ahead, as after a bag began again. Without a stamp it is the time
    since arrival.
    """
    stamp = message.header.stamp
    stamp_ns = stamp.sec * 10**9 + stamp.nanosec
    if stamp_ns == 0:
        return waited_s
    return (node.get_clock().now().nanoseconds - stamp_ns) / 1e9
