"""Does a backend give the ids that PyTorch gives in float32? Asked once, when it is loaded."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .pixels import fit
from ..errors import BackendError

# Below this share of equal ids a precision is not used.
LEAST_AGREEMENT = 0.995
# 8 bits are only used where they are asked for, for their speed, and move edges a little more.
LEAST_AGREEMENT_INT8 = 0.99
_IMAGE = Path(__file__).with_name('parity.jpg')


def parity_image(size: tuple[int, int]) -> np.ndarray:
    """
    Return the fixed image of the comparison, a rendered street.

    :param size: height and width. :return: 1 x height x width x 3 uint8 RGB.
    :raises BackendError: when the package is not whole.
    """
    image = cv2.imread(str(_IMAGE), cv2.IMREAD_COLOR)
    if image is None:
        raise BackendError(f'{_IMAGE} is missing or damaged; install the package again')
    return fit(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)[None], size)


def agreement(ids: np.ndarray, expected: np.ndarray) -> float:
    """Return the share of equal ids, 0 where the shapes differ."""
    return float(np.mean(ids == expected)) if ids.shape == expected.shape else 0.0


@dataclass(frozen=True)
class Verdict:
    """Whether a precision may be used: its share of the ids of PyTorch in float32."""

    precision: str
    share: float

    def __str__(self) -> str:
        return f'{self.precision} agrees with fp32 of PyTorch on {self.share:.2%}'

    @property
    def least(self) -> float:
        """The share that is asked of it."""
        return LEAST_AGREEMENT_INT8 if self.precision == 'int8' else LEAST_AGREEMENT

    @property
    def passes(self) -> bool:
        """Whether the share is large enough."""
        return self.share >= self.least

    def refusal(self, backend: str) -> BackendError:
        """Return the error for a backend of which no precision passes, this one tried last."""
        remedies = {
            'fp32': 'use another backend',
            'int8': 'quantise with other images, or ask for precision auto',
        }
        return BackendError(
            f'the {backend} backend gives other ids than PyTorch (equal on {self.share:.2%} of '
            f'the pixels of the parity image, expected {self.least:.1%}): it is not used; '
            + remedies.get(self.precision, 'ask for precision auto')
        )
