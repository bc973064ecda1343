"""
Accuracy from ids: one confusion matrix over all frames, as the official toolkits count.

Of the boundaries the same by the measure of Cheng et al., CVPR 2021.
"""

import cv2
import numpy as np

# Width of a boundary in shares of the diagonal: what Cheng et al. take for Cityscapes.
BOUNDARY_RATIO = 0.005
# No class has this id; morphology sees it around the image.
_OUTSIDE = 254


class ConfusionMatrix:
    """
    Pixel counts over any number of frames.

    ``counts[t, p]`` are the pixels of true class t predicted as p; the last column holds those
    that were predicted as no class. Pixels whose true id is no class are not counted.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.counts = np.zeros((num_classes, num_classes + 1), np.int64)

    def add(self, truth: np.ndarray, predicted: np.ndarray) -> None:
        """
        Count one frame.

        :param truth, predicted: uint8 ids of one shape.
        :raises ValueError: when the shapes differ.
        """
        if truth.shape != predicted.shape:
            raise ValueError(f'truth is {truth.shape}, predicted {predicted.shape}; expected one')
        valid = truth < self.num_classes
        columns = self.num_classes + 1
        predicted = np.minimum(predicted[valid], self.num_classes)
        pairs = truth[valid].astype(np.int64) * columns + predicted
        self.counts += np.bincount(pairs, minlength=self.counts.size).reshape(self.counts.shape)

    @property
    def iou(self) -> np.ndarray:
        """Intersection over union by class, float64; nan where the class never occurs."""
        hits = np.diag(self.counts).astype(np.float64)
        union = self.counts.sum(1) + self.counts[:, :-1].sum(0) - hits
        return np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)

    @property
    def mean_iou(self) -> float:
        """Mean of the classes that occur; nan when none does."""
        iou = self.iou
        return float(np.nanmean(iou)) if np.isfinite(iou).any() else float('nan')

    @property
    def pixel_accuracy(self) -> float:
        """Share of counted pixels that are right; nan when there are none."""
        total = self.counts.sum()
        return float(np.diag(self.counts).sum() / total) if total else float('nan')


class BoundaryCounts:
    """
    Pixels near the boundaries of the classes, over any number of frames.

    A pixel is near when another class, or the end of the image, is at most ``BOUNDARY_RATIO`` of
    the diagonal away (by rows and columns). ``intersection[c]`` were near in truth and prediction
    and are c in both; ``union[c]`` in either. Pixels whose true id is no class count as a class of
    their own, which is the same in both and has no figure.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.intersection = np.zeros(num_classes, np.int64)
        self.union = np.zeros(num_classes, np.int64)

    def add(self, truth: np.ndarray, predicted: np.ndarray) -> None:
        """
        Count one frame.

        :param truth, predicted: H x W uint8 ids of one shape.
        """
        count = self.num_classes
        known, ignored = truth < count, np.uint8(255)
        predicted = np.where(known, np.minimum(predicted, count), ignored).astype(np.uint8)
        truth = np.where(known, truth, ignored)
        distance = max(1, round(BOUNDARY_RATIO * float(np.hypot(*truth.shape))))
        near_truth, near_predicted = _near(truth, distance), _near(predicted, distance)
        both = near_truth & near_predicted & (truth == predicted)
        true, guessed, shared = (
            np.bincount(ids[chosen], minlength=256)[:count]
            for ids, chosen in ((truth, near_truth), (predicted, near_predicted), (truth, both))
        )
        self.intersection += shared
        self.union += true + guessed - shared

    @property
    def iou(self) -> np.ndarray:
        """Boundary IoU by class, float64; nan where the class never occurs."""
        nothing = np.full(self.num_classes, np.nan)
        return np.divide(self.intersection, self.union, out=nothing, where=self.union > 0)

    @property
    def mean_iou(self) -> float:
        """Mean of the classes that occur; nan when none does."""
        iou = self.iou
        return float(np.nanmean(iou)) if np.isfinite(iou).any() else float('nan')


def _near(ids: np.ndarray, distance: int) -> np.ndarray:
    """Return where another id is at most ``distance`` rows and columns away: H x W bool."""
    # A window holds two ids when its largest is not its smallest; both are fast for any width.
    kernel = np.ones((2 * distance + 1,) * 2, np.uint8)
    around = (distance,) * 4
    padded = cv2.copyMakeBorder(ids, *around, cv2.BORDER_CONSTANT, value=_OUTSIDE)
    inside = np.s_[distance:-distance, distance:-distance]
    return (cv2.dilate(padded, kernel) != cv2.erode(padded, kernel))[inside]
