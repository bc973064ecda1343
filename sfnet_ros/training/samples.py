"""
Random training crops: every sample is a function of the recipe's seed and its index alone.

Scaling, flipping, colour and blur follow SFNet (ECCV 2020, section 4.1) and its released trainer.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from .config import Recipe, Source
from .. import taxonomies
from ..errors import DataError
from ..evaluation.datasets import find_pairs, LabelledFile, read_image, read_labels
from ..scenes import Street

# Labels of a coarser taxonomy are kept as ids from here on; see losses.py.
COARSE_OFFSET = 128
_SCENE_SIZE = (448, 896)
_SCENE_COUNT = 160

Load = Callable[[], tuple[np.ndarray, np.ndarray]]


class TrainingSamples(Dataset):
    """Maps an index to a crop: image 3 x h x w float32, normalised, and labels h x w int64."""

    def __init__(self, recipe: Recipe, data: Path) -> None:
        self.recipe = recipe
        self.sources = [(source, _loaders(source, recipe, data)) for source in recipe.sources]
        weights = np.array([source.weight for source in recipe.sources])
        self.chances = weights / weights.sum()
        self._cache: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    def __len__(self) -> int:
        return self.recipe.steps * self.recipe.batch

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        recipe = self.recipe
        rng = np.random.default_rng((recipe.seed, index))
        chosen = int(rng.choice(len(self.sources), p=self.chances))
        source, loaders = self.sources[chosen]
        key = (chosen, int(rng.integers(len(loaders))))
        if key not in self._cache:
            self._cache[key] = loaders[key[1]]()
        image, labels = random_crop(
            *self._cache[key], (recipe.crop_height, recipe.crop_width), source.scale,
            recipe.aspect, rng,
        )  # fmt: skip
        if rng.random() < 0.5:
            image, labels = image[:, ::-1], labels[:, ::-1]
        image = _blur(_recolour(image, rng), rng)
        mean, std = (np.array(x, np.float32) * 255 for x in (recipe.mean, recipe.std))
        normalised = ((image - mean) / std).transpose(2, 0, 1)
        return (
            torch.from_numpy(np.ascontiguousarray(normalised)),
            torch.from_numpy(labels.astype(np.int64)),
        )


def random_crop(
    image: np.ndarray,
    labels: np.ndarray,
    size: tuple[int, int],
    scale: tuple[float, float],
    aspect: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """
    Cut a random window and bring it to ``size`` (height, width); beyond the edges it is ignored.

    :param image: H x W x 3 uint8 RGB. :param labels: H x W uint8.
    :param aspect: the window is stretched by up to this factor in either direction.
    """
    factor = np.exp(rng.uniform(*np.log(scale)))
    stretch = np.exp(rng.uniform(-np.log(aspect), np.log(aspect)) / 2)
    height = max(1, round(size[0] / (factor * stretch)))
    width = max(1, round(size[1] / (factor / stretch)))
    top = _offset(image.shape[0], height, rng)
    left = _offset(image.shape[1], width, rng)
    window = (slice(max(top, 0), top + height), slice(max(left, 0), left + width))
    image, labels = image[window], labels[window]
    edges = (
        max(-top, 0), height - image.shape[0] - max(-top, 0),
        max(-left, 0), width - image.shape[1] - max(-left, 0),
    )  # fmt: skip
    image = cv2.copyMakeBorder(image, *edges, cv2.BORDER_CONSTANT, value=(124, 116, 104))
    labels = cv2.copyMakeBorder(
        labels, *edges, cv2.BORDER_CONSTANT, value=(taxonomies.UNLABELLED,)
    )
    area = height * width > size[0] * size[1]
    interpolation = cv2.INTER_AREA if area else cv2.INTER_LINEAR
    image = cv2.resize(image, size[::-1], interpolation=interpolation)
    return image, cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST)


def _offset(extent: int, window: int, rng: np.random.Generator) -> int:
    """Return where the window begins; negative when it is larger than the image."""
    low, high = sorted((0, extent - window))
    return int(rng.integers(low, high + 1))


def _recolour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast, saturation and white balance at random; returns float32."""
    x = image.astype(np.float32)
    x *= rng.uniform(0.7, 1.3)
    x = (x - x.mean()) * np.float32(rng.uniform(0.7, 1.3)) + x.mean()
    grey = x.mean(axis=2, keepdims=True)
    x = (x - grey) * np.float32(rng.uniform(0.6, 1.4)) + grey
    x *= rng.uniform(0.9, 1.1, 3).astype(np.float32)
    return np.clip(x, 0, 255)


def _blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    sigma = rng.uniform(0.15, 1.3)
    return cv2.GaussianBlur(image, (0, 0), sigma) if rng.random() < 0.5 else image


def _loaders(source: Source, recipe: Recipe, data: Path) -> list[Load]:
    if source.layout == 'scenes':
        return [_scene_loader(recipe.seed + index) for index in range(_SCENE_COUNT)]
    pairs = find_pairs(source.layout, data / source.root, source.split)
    return [_file_loader(pair, recipe.taxonomy) for pair in pairs]


def _scene_loader(seed: int) -> Load:
    def load() -> tuple[np.ndarray, np.ndarray]:
        frame = Street(seed).render(*_SCENE_SIZE, time_s=0.7 * (seed % 7))
        return frame.image, frame.labels

    return load


def _file_loader(pair: LabelledFile, taxonomy: str) -> Load:
    table = label_table(pair.taxonomy, taxonomy)

    def load() -> tuple[np.ndarray, np.ndarray]:
        image, labels = read_image(pair.image), read_labels(pair.labels)
        if image.shape[:2] != labels.shape:
            raise DataError(
                f'{pair.labels} is {labels.shape}, its image {image.shape[:2]}; expected one size'
            )
        return image, table[labels]

    return load


def label_table(source: str, target: str) -> np.ndarray:
    """Return 256 uint8: ids of ``target``, or of the coarser ``source`` from COARSE_OFFSET on."""
    if source in taxonomies.COARSE:
        table = np.full(256, taxonomies.UNLABELLED, np.uint8)
        count = len(taxonomies.get(source).classes)
        table[:count] = COARSE_OFFSET + np.arange(count)
        return table
    return taxonomies.conversion(source, target)
