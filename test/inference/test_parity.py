"""The comparison with PyTorch in float32 that every precision has to pass."""

import numpy as np
import pytest
from sfnet_ros.inference.parity import agreement, parity_image, Verdict


def test_shares_of_equal_ids() -> None:
    ids = np.arange(200, dtype=np.uint8).reshape(1, 10, 20)
    other = ids.copy()
    other[0, 0, 0] = 7
    assert agreement(ids, ids) == 1
    assert agreement(other, ids) == pytest.approx(0.995)
    assert agreement(ids[:, :5], ids) == 0


@pytest.mark.parametrize(
    ('precision', 'share', 'passes', 'expected'),
    [
        ('fp16', 0.995, True, '99.5%'),
        ('fp16', 0.9949, False, '99.5%'),
        ('int8', 0.99, True, '99.0%'),
        ('int8', 0.9899, False, '99.0%'),
    ],
)
def test_more_is_asked_of_what_is_taken_unasked(
    precision: str, share: float, passes: bool, expected: str
) -> None:
    verdict = Verdict(precision, share)
    assert verdict.passes == passes
    assert str(verdict) == f'{precision} agrees with fp32 of PyTorch on {share:.2%}'
    told = str(verdict.refusal('tensorrt'))
    assert told.startswith('the tensorrt backend gives other ids than PyTorch')
    assert f'(equal on {share:.2%} of the pixels of the parity image, expected {expected})' in told
    assert told.endswith(
        'quantise with other images, or ask for precision auto'
        if precision == 'int8'
        else 'it is not used; ask for precision auto'
    )
    assert str(Verdict('fp32', share).refusal('x')).endswith('use another backend')


def test_the_picture_has_the_size_of_the_network() -> None:
    image = parity_image((64, 128))
    assert (image.shape, image.dtype) == ((1, 64, 128, 3), np.uint8)
    assert image.std() > 30
