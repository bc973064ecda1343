"""Pictures of flow fields in the usual colours."""

import numpy as np

# The colour wheel of Baker et al., IJCV 2011 (Middlebury): its corners in RGB and the number of
# steps from each to the next.
_CORNERS = (
    ((255, 0, 0), 15),
    ((255, 255, 0), 6),
    ((0, 255, 0), 4),
    ((0, 255, 255), 11),
    ((0, 0, 255), 13),
    ((255, 0, 255), 6),
)


def colour_wheel() -> np.ndarray:
    """Return the wheel, 55 x 3 float64 RGB in 0..255, from red through yellow to magenta."""
    steps = []
    for index, (colour, count) in enumerate(_CORNERS):
        following = _CORNERS[(index + 1) % len(_CORNERS)][0]
        share = np.arange(count)[:, None] / count
        steps.append(np.array(colour) * (1 - share) + np.array(following) * share)
    return np.concatenate(steps)


def flow_picture(flow: np.ndarray, largest: float = 0.0) -> np.ndarray:
    """
    Paint a flow field: hue is the direction, saturation the length.

    :param flow: H x W x 2 float, along x (right) and y (down), any unit.
    :param largest: the length painted fully saturated; 0 takes the field's own largest.
    :return: H x W x 3 uint8 RGB; white is no flow.
    """
    wheel = colour_wheel()
    length = np.hypot(flow[..., 0], flow[..., 1])
    radius = np.minimum(length / (largest or max(float(length.max()), 1e-9)), 1)[..., None]
    angle = np.arctan2(-flow[..., 1], -flow[..., 0]) / np.pi  # -1..1
    position = (angle + 1) / 2 * (len(wheel) - 1)
    low = np.floor(position).astype(int)
    share = (position - low)[..., None]
    colour = wheel[low] * (1 - share) + wheel[(low + 1) % len(wheel)] * share
    return (255 - radius * (255 - colour)).astype(np.uint8)


def shift_of_grid(grid: np.ndarray) -> np.ndarray:
    """
    Return what a sampling grid is moved by, in pixels of its own size.

    :param grid: h x w x 2 float32, (x, y) in -1..1 with corners aligned (``networks.alignment``).
    :return: h x w x 2 float32, half of the flow (SFNet equation 2), as ``backends.Prediction``.
    """
    height, width = grid.shape[:2]
    moved = grid.copy()
    moved[..., 0] -= np.linspace(-1, 1, width, dtype=np.float32)
    moved[..., 1] -= np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    return moved * np.array([width / 2, height / 2], np.float32)
