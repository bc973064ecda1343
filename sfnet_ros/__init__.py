"""Semantic segmentation with SFNet, SFNet-Lite and SRNet for ROS 2."""

__version__ = '0.1.0'
