"""
Random training crops: every sample is a function of the recipe's seed and its index alone.

Flipping follows SFNet (ECCV 2020, section 4.1). Colour and blur are from its released trainer
alone, which always applies both and turns the hue as well.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from .config import Recipe, Source
from .crops import cut, random_window, view
from .soft_labels import read_logits, SoftLabels
from .sources import class_ids, list_files, read_ids, SourceFile
from .survey import Places
from .. import taxonomies
from ..errors import DataError
from ..evaluation.datasets import read_image
from ..scenes import Street

_SCENE_SIZE = (448, 896)
_SCENE_COUNT = 160

# Source, file of it, and row and column of a pixel that a crop has in it; None for any crop.
Spot = tuple[int, int, list[int] | None]
# Image, labels, and any number of soft labels.
Load = Callable[[], tuple[np.ndarray, ...]]


class Sample(NamedTuple):
    """A crop: image 3 x h x w float32, normalised, labels h x w int64, and its soft labels."""

    image: Tensor
    labels: Tensor
    soft: SoftLabels


class Batch(NamedTuple):
    """Crops: images N x 3 x h x w, labels N x h x w, and the soft labels of each."""

    images: Tensor
    labels: Tensor
    soft: list[SoftLabels]

    def to(self, device: str) -> 'Batch':
        """Return it on a device."""
        soft = [
            SoftLabels(
                tuple(logits.to(device, non_blocking=True) for logits in one.logits),
                one.view.to(device, non_blocking=True),
                None if one.hidden is None else one.hidden.to(device, non_blocking=True),
            )
            for one in self.soft
        ]
        images = self.images.to(device, memory_format=torch.channels_last, non_blocking=True)
        return Batch(images, self.labels.to(device, non_blocking=True), soft)


def collate(samples: Sequence[Sample]) -> Batch:
    """Put samples together; soft labels stay apart, as their sizes differ."""
    images, labels, soft = zip(*samples, strict=True)
    return Batch(torch.stack(images), torch.stack(labels), list(soft))


class TrainingSamples(Dataset):
    """Maps an index to a crop."""

    def __init__(
        self,
        recipe: Recipe,
        data: Path,
        places: Sequence[Places] = (),
        cache_bytes: int = 0,
    ) -> None:
        """
        List the files; none is read yet.

        :param places: what ``survey`` found, for crops around classes.
        :param cache_bytes: what each process that loads keeps decoded, see ``memory``; files
            beyond that are read again each time.
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
        self._things = self._sources_of_things()
        self._cache: dict[tuple[int, int], tuple[np.ndarray, ...]] = {}
        self._free_bytes = cache_bytes

    def __len__(self) -> int:
        return self.recipe.steps * self.recipe.batch

    def __getitem__(self, index: int) -> Sample:
        recipe = self.recipe
        rng = np.random.default_rng((recipe.seed, index))
        image, labels, soft = self._crop(*self._place(rng), rng)
        if recipe.copy_paste and rng.random() < recipe.copy_paste:
            other, things, _ = self._crop(*self._place_of_things(rng), rng)
            hidden = np.isin(things, list(self._things))
            image = np.where(hidden[..., None], other, image)
            labels = np.where(hidden, things, labels)
            soft = soft._replace(hidden=torch.from_numpy(hidden))
        image = _blur(_recolour(image, rng), rng)
        mean, std = (np.array(x, np.float32) * 255 for x in (recipe.mean, recipe.std))
        normalised = ((image - mean) / std).transpose(2, 0, 1)
        return Sample(
            torch.from_numpy(np.ascontiguousarray(normalised)),
            torch.from_numpy(labels.astype(np.int64)),
            soft,
        )

    def _sources_of_things(self) -> dict[int, list[int]]:
        """Return which sources show a class that is copied; raises DataError if none shows any."""
        recipe = self.recipe
        drawn = np.flatnonzero(self.chances).tolist()
        things = {
            thing: shown
            for thing in class_ids(recipe.copy_paste_classes, recipe)
            if (shown := [source for source in drawn if thing in self.places[source]])
        }
        if recipe.copy_paste and not things:
            raise DataError(
                f'no label that {recipe.name} learns from shows one of '
                f'{", ".join(recipe.copy_paste_classes)}; expected things to copy: name others, '
                'or leave copy_paste out'
            )
        return things

    def _place(self, rng: np.random.Generator) -> Spot:
        chosen = int(rng.choice(len(self.sources), p=self.chances))
        source, loaders = self.sources[chosen]
        places = self.places[chosen]
        if places and (source.classes or rng.random() < self.recipe.class_uniform):
            return self._place_of(int(rng.choice(list(places))), chosen, rng)
        return chosen, int(rng.integers(len(loaders))), None

    def _place_of_things(self, rng: np.random.Generator) -> Spot:
        """Choose one of the classes that are copied, all equally often, and where one is."""
        thing = int(rng.choice(list(self._things)))
        sources = self._things[thing]
        chances = self.chances[sources]
        return self._place_of(thing, int(rng.choice(sources, p=chances / chances.sum())), rng)

    def _place_of(self, class_id: int, source: int, rng: np.random.Generator) -> Spot:
        spots = self.places[source][class_id]
        file, *around = map(int, spots[rng.integers(len(spots))])
        return source, file, around

    def _crop(
        self, source: int, file: int, around: list[int] | None, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, SoftLabels]:
        """Cut a random window of a file, mirrored half of the time."""
        recipe = self.recipe
        whole, all_labels, *soft = self._loaded(source, file)
        size = (recipe.crop_height, recipe.crop_width)
        scale = recipe.sources[source].scale
        window = random_window(whole.shape, size, scale, recipe.aspect, rng, around)
        image, labels = cut(whole, all_labels, window, size)
        if mirrored := rng.random() < 0.5:
            image, labels = image[:, ::-1], labels[:, ::-1]
        place = torch.from_numpy(view(window, whole.shape, size, mirrored))
        return image, labels, SoftLabels(tuple(map(torch.from_numpy, soft)), place)

    def _loaded(self, source: int, file: int) -> tuple[np.ndarray, ...]:
        if (source, file) in self._cache:
            return self._cache[source, file]
        loaded = self.sources[source][1][file]()
        size = sum(array.nbytes for array in loaded)
        if size <= self._free_bytes:
            self._cache[source, file] = loaded
            self._free_bytes -= size
        return loaded


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
    # No closures: processes that load get these pickled where they are not forked.
    if source.layout == 'scenes':
        return [
            partial(_render, recipe.seed + index, recipe.taxonomy) for index in range(_SCENE_COUNT)
        ]
    return [partial(_read, file, recipe.taxonomy) for file in list_files(source, data)]


def _render(seed: int, taxonomy: str) -> tuple[np.ndarray, np.ndarray]:
    frame = Street(seed).render(*_SCENE_SIZE, time_s=0.7 * (seed % 7))
    return frame.image, taxonomies.conversion('cityscapes', taxonomy)[frame.labels]


def _read(file: SourceFile, taxonomy: str) -> tuple[np.ndarray, ...]:
    classes = len(taxonomies.get(taxonomy).classes)
    image, labels = read_image(file.image), read_ids(file, taxonomy)
    if labels is None:
        labels = np.full(image.shape[:2], taxonomies.UNLABELLED, np.uint8)
    if image.shape[:2] != labels.shape:
        raise DataError(
            f'{file.labels} is {labels.shape}, its image {image.shape[:2]}; expected one size'
        )
    return image, labels, *(read_logits(path, classes) for path in file.soft)
