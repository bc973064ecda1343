"""Where frames wait for the worker: one place, in which the newest wins."""

from dataclasses import dataclass
import threading

from sensor_msgs.msg import CompressedImage, Image


@dataclass(frozen=True)
class Frame:
    """A message and when it arrived, on the monotonic clock."""

    message: Image | CompressedImage
    received_s: float


class Slot:
    """Hands the newest frame from the thread that receives to the one that works."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._closed = False

    def put(self, frame: Frame) -> bool:
        """Store a frame; returns whether it pushed an older one out."""
        with self._changed:
            superseded = self._frame is not None
            self._frame = frame
            self._changed.notify()
        return superseded

    def take(self) -> Frame | None:
        """Wait for a frame and take it out; None once the slot is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._closed)
            if self._closed:
                return None
            frame, self._frame = self._frame, None
            return frame

    def close(self) -> bool:
        """Wake the one who waits, for good; returns whether a frame was left."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return self._frame is not None
