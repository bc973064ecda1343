"""The classes of a scene: Cityscapes trainIds."""

from ..taxonomies import UNLABELLED

(
    ROAD, SIDEWALK, BUILDING, WALL, FENCE, POLE, TRAFFIC_LIGHT, TRAFFIC_SIGN, VEGETATION, TERRAIN,
    SKY, PERSON, RIDER, CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE,
) = range(19)  # fmt: skip

NO_LABEL = -1  # of a panel that leaves the labels as they are, such as a marking or a shadow

__all__ = [
    'BICYCLE', 'BUILDING', 'BUS', 'CAR', 'FENCE', 'MOTORCYCLE', 'NO_LABEL', 'PERSON', 'POLE',
    'RIDER', 'ROAD', 'SIDEWALK', 'SKY', 'TERRAIN', 'TRAFFIC_LIGHT', 'TRAFFIC_SIGN', 'TRAIN',
    'TRUCK', 'UNLABELLED', 'VEGETATION', 'WALL',
]  # fmt: skip
