"""The networks: tensors to logits. Knows no ROS, file, device or loss."""

from .checkpoint import (
    class_count,
    from_official_names,
    identify,
    load_backbone,
    load_state,
    official_names,
)
from .network import BACKBONES, create_network, NETWORKS, PAIRS, SegmentationNetwork

__all__ = [
    'BACKBONES',
    'NETWORKS',
    'PAIRS',
    'SegmentationNetwork',
    'class_count',
    'create_network',
    'from_official_names',
    'identify',
    'load_backbone',
    'load_state',
    'official_names',
]
