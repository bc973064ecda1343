"""The networks: tensors to logits. Knows no ROS, file, device or loss."""

from .checkpoint import from_official_names, load_state, official_names
from .network import BACKBONES, create_network, NETWORKS, SegmentationNetwork

__all__ = [
    'BACKBONES',
    'NETWORKS',
    'SegmentationNetwork',
    'create_network',
    'from_official_names',
    'load_state',
    'official_names',
]
