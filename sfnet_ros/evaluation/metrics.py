"""Accuracy from ids: one confusion matrix over all frames, as the official toolkits count."""

import numpy as np


class ConfusionMatrix:
    """
    Pixel counts over any number of frames.

    ``counts[t, p]`` are the pixels of true class t predicted as p; the last column holds those that
    were predicted as no class. Pixels whose true id is no class are not counted.
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
