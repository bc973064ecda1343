"""Where frames wait for the worker: one place a camera, in which the newest wins."""

from dataclasses import dataclass
import threading

from sensor_msgs.msg import CompressedImage, Image


@dataclass(frozen=True)
class Frame:
    """A message, the camera it is from, and when it arrived, on the monotonic clock."""

    message: Image | CompressedImage
    camera: str
    received_s: float


class Slots:
    """
    Hands the newest frame of each camera from the thread that receives to the one that works.

    The camera that has waited longest is next, so that a fast one does not keep out a slow one.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        # In order of waiting: a newer frame takes the place of the one that it pushes out.
        self._frames: dict[str, Frame] = {}
        self._closed = False

    def put(self, frame: Frame) -> bool:
        """Store a frame; returns whether it pushed an older one out."""
        with self._changed:
            superseded = frame.camera in self._frames
            self._frames[frame.camera] = frame
            self._changed.notify()
        return superseded

    def take(self, most: int = 1) -> list[Frame]:
        """Wait for a frame and take out up to so many; none once the slots are closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._closed)
            if self._closed:
                return []
            return [self._frames.pop(name) for name in list(self._frames)[:most]]

    def close(self) -> list[Frame]:
        """Wake the one who waits, for good; returns the frames that were left."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return list(self._frames.values())
