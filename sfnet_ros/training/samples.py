"""
Random training crops: every sample is a function of the recipe's seed and its index alone.

Scaling and flipping follow SFNet (ECCV 2020, section 4.1). Colour and blur are from its released
trainer alone, which always applies both and turns the hue as well.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from .config import Recipe, Source
from .sources import list_files, read_ids, SourceFile
from .survey import Places
from .. import taxonomies
from ..errors import DataError
from ..evaluation.datasets import read_image
from ..scenes import Street

_SCENE_SIZE = (448, 896)
_SCENE_COUNT = 160
# What a loading process keeps decoded; beyond that, files are read again each time.
_CACHE_BYTES = 2 << 30

Load = Callable[[], tuple[np.ndarray, np.ndarray]]


class TrainingSamples(Dataset):
    """Maps an index to a crop: image 3 x h x w float32, normalised, and labels h x w int64."""

    def __init__(self, recipe: Recipe, data: Path, places: Sequence[Places] = ()) -> None:
        """
        List the files; none is read yet.

        :param places: what ``survey`` found, for crops around classes.
        """
        self.recipe = recipe
        self.sources = [(source, _loaders(source, recipe, data)) for source in recipe.sources]
        self.places = places or [{} for _ in recipe.sources]
        for source, found in zip(recipe.sources, self.places, strict=True):
            if source.classes and not found:
                raise DataError(
                    f'{source.layout} {source.root} shows none of {", ".join(source.classes)}; '
                    'expected crops around these classes: name others, or none'
                )
        weights = np.array([source.weight for source in recipe.sources])
        self.chances = weights / weights.sum()
        self._cache: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}
        self._cached_bytes = 0

    def __len__(self) -> int:
        return self.recipe.steps * self.recipe.batch

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        recipe = self.recipe
        rng = np.random.default_rng((recipe.seed, index))
        chosen = int(rng.choice(len(self.sources), p=self.chances))
        source, loaders = self.sources[chosen]
        places = self.places[chosen]
        around = None
        if places and (source.classes or rng.random() < recipe.class_uniform):
            spots = places[int(rng.choice(list(places)))]
            file, *around = map(int, spots[rng.integers(len(spots))])
        else:
            file = int(rng.integers(len(loaders)))
        image, labels = random_crop(
            *self._loaded(chosen, file), (recipe.crop_height, recipe.crop_width), source.scale,
            recipe.aspect, rng, around,
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

    def _loaded(self, source: int, file: int) -> tuple[np.ndarray, np.ndarray]:
        if (source, file) in self._cache:
            return self._cache[source, file]
        loaded = self.sources[source][1][file]()
        self._cached_bytes += sum(array.nbytes for array in loaded)
        if self._cached_bytes < _CACHE_BYTES:
            self._cache[source, file] = loaded
        return loaded


def random_crop(
    image: np.ndarray,
    labels: np.ndarray,
    size: tuple[int, int],
    scale: tuple[float, float],
    aspect: float,
    rng: np.random.Generator,
    around: Sequence[int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """
    Cut a random window and bring it to ``size`` (height, width); beyond the edges it is ignored.

    :param image: H x W x 3 uint8 RGB. :param labels: H x W uint8.
    :param aspect: the window is stretched by up to this factor in either direction.
    :param around: row and column of a pixel that the window has in it; None for any window.
    """
    factor = np.exp(rng.uniform(*np.log(scale)))
    stretch = np.exp(rng.uniform(-np.log(aspect), np.log(aspect)) / 2)
    height = max(1, round(size[0] / (factor * stretch)))
    width = max(1, round(size[1] / (factor / stretch)))
    row, column = around or (None, None)
    top = _offset(image.shape[0], height, row, rng)
    left = _offset(image.shape[1], width, column, rng)
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


def _offset(extent: int, window: int, inside: int | None, rng: np.random.Generator) -> int:
    """Return where the window begins; negative when it is larger than the image."""
    low, high = sorted((0, extent - window))
    if inside is not None and window < extent:
        low, high = max(low, inside - window + 1), min(high, inside)
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
    return [_file_loader(file, recipe.taxonomy) for file in list_files(source, data)]


def _scene_loader(seed: int) -> Load:
    def load() -> tuple[np.ndarray, np.ndarray]:
        frame = Street(seed).render(*_SCENE_SIZE, time_s=0.7 * (seed % 7))
        return frame.image, frame.labels

    return load


def _file_loader(file: SourceFile, taxonomy: str) -> Load:
    def load() -> tuple[np.ndarray, np.ndarray]:
        image, labels = read_image(file.image), read_ids(file, taxonomy)
        if labels is None:
            labels = np.full(image.shape[:2], taxonomies.UNLABELLED, np.uint8)
        if image.shape[:2] != labels.shape:
            raise DataError(
                f'{file.labels} is {labels.shape}, its image {image.shape[:2]}; expected one size'
            )
        return image, labels

    return load
