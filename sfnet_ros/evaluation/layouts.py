"""Where images and labels of data sets lie on disk, layout by layout."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
import os
from pathlib import Path

from .frames import PICTURE_SUFFIXES


@dataclass(frozen=True)
class LabelledFile:
    """An image file and its label file, whose ids are those of ``taxonomy``."""

    image: Path
    labels: Path
    taxonomy: str


@dataclass(frozen=True)
class _Files:
    """
    Where the files of a layout lie, as paths below its root.

    ``{split}`` is the split, ``{long}`` the same as Mapillary calls it; what names neither is for
    no split. ``{folder}`` is the image's folder, ``{stem}`` what the star of its name stands for.

    :param labels: where the labels of an image may be, with their taxonomy; the first that exists,
        or else where those of other images are.
    """

    images: str
    labels: Mapping[str, str]

    def pairs(self, root: Path, split: str) -> list[LabelledFile]:
        """List the images of a split, with the files where their labels should be."""
        if self.of_splits() != bool(split):
            return []
        names = {'split': split, 'long': _LONG.get(split, split)}
        ending = Path(self.images).stem.removeprefix('*')
        return [
            self._pair(root, image, names | {'stem': image.stem.removesuffix(ending)})
            for image in root.glob(self.images.format(**names))
            if image.suffix.lower() in PICTURE_SUFFIXES
        ]

    def _pair(self, root: Path, image: Path, names: dict[str, str]) -> LabelledFile:
        places = [
            (root / path.format(**names, folder=image.parent.name), taxonomy)
            for path, taxonomy in self.labels.items()
        ]
        there = [one for one in places if one[0].is_file()]
        # Folders are only looked into for labels that are missing.
        there = there or [one for one in places if _holds_any(one[0].parent)]
        return LabelledFile(image, *(there or places)[0])

    def described(self, split: str) -> str:
        """Say where images and labels are, for people."""
        names = dict.fromkeys(('stem', 'folder'), '*') | {
            'split': split or '<split>',
            'long': _LONG.get(split, split or '<split>'),
        }
        labels = ' or '.join(path.format(**names) for path in self.labels)
        return f'{self.images.format(**names)} with {labels}'

    def of_splits(self) -> bool:
        """Return whether the files lie in a folder for each split."""
        return '{split}' in self.images or '{long}' in self.images


_LONG = {'train': 'training', 'val': 'validation'}
_GT = 'gtFine/{split}/{folder}/{stem}'
# Of several places for the images the first where there are any.
_FILES: dict[str, tuple[_Files, ...]] = {
    # The layout of the current download of BDD's 10k images, then that of the first one.
    'bdd': (
        _Files('images/10k/{split}/*', {'labels/sem_seg/masks/{split}/{stem}.png': 'bdd'}),
        _Files('images/{split}/*', {'labels/{split}/{stem}_train_id.png': 'bdd'}),
    ),
    'camvid': (_Files('{split}/*', {'{split}annot/{stem}.png': 'camvid'}),),
    # CamVid with labels in the 19 classes of Cityscapes.
    'camvid19': (_Files('{split}/*', {'{split}annot19/{stem}.png': 'cityscapes'}),),
    # CamVid in 960 x 720 with colour masks: in folders by split, and as downloaded.
    'camvid_full': (
        _Files('{split}/*', {'{split}_labels/{stem}_L.png': 'camvid'}),
        _Files('701_StillsRaw_full/*', {'LabeledApproved_full/{stem}_L.png': 'camvid'}),
    ),
    # The download holds labelIds; trainIds are made of them by the official scripts.
    'cityscapes': (
        _Files(
            'leftImg8bit/{split}/*/*_leftImg8bit.*',
            {
                f'{_GT}_gtFine_labelTrainIds.png': 'cityscapes',
                f'{_GT}_gtFine_labelIds.png': 'cityscapes_ids',
            },
        ),
    ),
    # The roughly labelled images, most of them in the split train_extra.
    'cityscapes_coarse': (
        _Files(
            'leftImg8bit/{split}/*/*_leftImg8bit.*',
            {'gtCoarse/{split}/{folder}/{stem}_gtCoarse_labelIds.png': 'cityscapes_ids'},
        ),
    ),
    # With the 40 ids that IDD's own script `createLabels.py --id-type id` writes.
    'idd': (
        _Files('leftImg8bit/{split}/*/*_leftImg8bit.*', {f'{_GT}_gtFine_labelids.png': 'idd'}),
    ),
    'idd_lite': (_Files('leftImg8bit/{split}/*/*_image.*', {f'{_GT}_label.png': 'idd_lite'}),),
    'kitti': (_Files('{split}/image_2/*', {'{split}/semantic/{stem}.png': 'cityscapes_ids'}),),
    # Mapillary Vistas 1.2, also as it lies inside the folders of 2.0.
    'mapillary': (
        _Files(
            '{long}/images/*',
            {
                '{long}/v1.2/labels/{stem}.png': 'mapillary',
                '{long}/labels/{stem}.png': 'mapillary',
            },
        ),
    ),
    # A user's own data, in trainIds.
    'folder': (
        _Files(
            'images/*',
            {'labels/{stem}.png': 'cityscapes', 'masks/{stem}.png': 'cityscapes'},
        ),
        _Files(
            '{split}/images/*',
            {
                '{split}/labels/{stem}.png': 'cityscapes',
                '{split}/masks/{stem}.png': 'cityscapes',
            },
        ),
    ),
}


def _holds_any(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    with os.scandir(folder) as entries:
        return any(entries)


def _listed(name: str, root: Path, split: str) -> list[LabelledFile]:
    found = (files.pairs(root, split) for files in _FILES[name])
    return next(filter(None, found), [])


def _uds(root: Path, split: str) -> list[LabelledFile]:
    """UDS, the merge of four data sets, each in the folder of its name."""
    names = ('cityscapes', 'mapillary', 'idd', 'bdd')
    return [pair for name in names for pair in _listed(name, root / name, split)]


def _sequences(root: Path, split: str) -> list[LabelledFile]:
    """Frames in ``<name>/`` with machine labels in ``<name>_pseudo_trainIds/``; no splits."""
    ending = '_pseudo_trainIds'
    return [
        pair
        for folder in sorted(root.glob(f'*{ending}'))
        for pair in _Files(
            f'{folder.name.removesuffix(ending)}/*', {f'{folder.name}/{{stem}}.png': 'cityscapes'}
        ).pairs(root, '')
    ]


LAYOUTS: dict[str, Callable[[Path, str], list[LabelledFile]]] = {
    **{name: partial(_listed, name) for name in _FILES if name != 'folder'},
    'sequences': _sequences,
    'uds': _uds,
    # Last, because its folders have the names that others use as well.
    'folder': partial(_listed, 'folder'),
}


def expected_places(layout: str, split: str) -> str:
    """Say where the files of a layout are expected: ``: images/* with labels/*.png``, or ''."""
    files = [one for one in _FILES.get(layout, ()) if one.of_splits() or not split]
    places = ', or '.join(one.described(split) for one in files)
    return places and f': {places} (images may be {", ".join(PICTURE_SUFFIXES)})'
