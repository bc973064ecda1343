"""How much the classes of a recording flicker: changes between frames that no motion explains."""

import cv2
import numpy as np

# Motion is looked for in pictures of this width at most; labels are compared in that size, too.
_WIDTH = 640
# A pixel that is brighter or darker by more than this where the motion leads to is not the same
# thing: it was hidden, or the motion is wrong.
_SAME_GREY = 20
# Less of the picture found again says that the frames do not follow each other.
_LEAST_FOUND = 0.5


class Flicker:
    """
    Compares each frame with the one before.

    The motion is dense optical flow (DIS); pixels that it does not find again are not compared.
    """

    def __init__(self) -> None:
        # OpenCV's type hints know the newer spelling only, that of Humble the older one only.
        create = cv2.DISOpticalFlow_create  # type: ignore[attr-defined]
        self._flow = create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._before: tuple[np.ndarray, np.ndarray] | None = None

    def restart(self) -> None:
        """Forget the last frame: the next one does not follow it."""
        self._before = None

    def add(self, image: np.ndarray, ids: np.ndarray) -> tuple[int, int] | None:
        """
        Return how many pixels changed their class, and how many were compared.

        :param image: H x W x 3 uint8 RGB. :param ids: H x W uint8, the classes predicted for it.
        :return: None for a first frame, and where too little of the one before is found again.
        """
        gray, ids = _reduced(image, ids)
        before, self._before = self._before, (gray, ids)
        if before is None or before[0].shape != gray.shape:
            return None
        gray_before, ids_before = before
        rows, columns = np.indices(gray.shape, np.float32)
        flow = self._flow.calc(gray, gray_before, None)
        columns, rows = columns + flow[..., 0], rows + flow[..., 1]
        moved = cv2.remap(
            gray_before, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        ids_moved = cv2.remap(
            ids_before, columns, rows, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
        )
        height, width = gray.shape
        inside = (columns >= 0) & (rows >= 0) & (columns <= width - 1) & (rows <= height - 1)
        found = inside & (cv2.absdiff(gray, moved) <= _SAME_GREY)
        compared = int(found.sum())
        if compared < _LEAST_FOUND * found.size:
            return None
        return int((found & (ids != ids_moved)).sum()), compared


def _reduced(image: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    height, width = gray.shape
    if width > _WIDTH:
        size = (_WIDTH, max(1, round(height * _WIDTH / width)))
        gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
        return gray, cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST)
    # It is kept until the next frame, and the caller may write into it again.
    return gray, ids.copy()
