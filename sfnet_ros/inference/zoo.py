"""What the authors of SFNet published, with the figures of their papers: facts, no files."""

from typing import NamedTuple


class Published(NamedTuple):
    """
    One published result.

    ``miou`` is in percent on Cityscapes, of the ``split`` it was measured on; ``gmac`` is
    billions of multiply-adds at 1024x2048, measured on our networks; ``checkpoints`` names the
    data sets for which the authors offer weights, which ``sfnet models import`` reads.
    """

    network: str
    backbone: str
    miou: float | None
    split: str
    source: str
    gmac: float
    checkpoints: tuple[str, ...] = ()


_LITE = ('cityscapes', 'uds', 'idd', 'bdd')
PUBLISHED = (
    Published('sfnet_lite', 'resnet18', 80.1, 'test', 'IJCV 2023', 177.95, _LITE),
    Published('sfnet_lite', 'stdc1', 78.8, 'test', 'IJCV 2023', 74.15, _LITE[:3]),
    Published('sfnet_lite', 'stdc2', 79.0, 'test', 'IJCV 2023', 100.52, _LITE[:3]),
    Published(
        'sfnet', 'resnet18', 79.8, 'test', 'IJCV 2023', 242.96, ('cityscapes', 'bdd', 'mapillary')
    ),
    Published('sfnet', 'resnet50', 80.4, 'val', 'released weights', 663.32, ('cityscapes',)),
    Published('sfnet', 'resnet101', 81.2, 'val', 'released weights', 818.47, ('cityscapes',)),
    Published('sfnet', 'df1', 74.5, 'test', 'ECCV 2020', 32.73, ('cityscapes',)),
    Published('sfnet', 'df2', 77.8, 'test', 'ECCV 2020', 79.97, ('cityscapes',)),
    Published('sfnet', 'stdc1', 78.1, 'test', 'IJCV 2023', 59.44),
    Published('sfnet', 'stdc2', 79.8, 'test', 'IJCV 2023', 85.81),
    Published('srnet', 'resnet50', None, '', 'TIP 2021', 978.88),
    Published('srnet', 'resnet101', None, '', 'TIP 2021', 1599.51),
)
