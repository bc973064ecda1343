"""The recipe of a training run: one YAML file, read strictly into frozen dataclasses."""

from dataclasses import asdict, dataclass, field, fields
import json
from pathlib import Path
from typing import Any, get_origin

import yaml

from .bounds import wrong_values
from ..errors import DataError
from ..networks import BACKBONES, NETWORKS, PAIRS

OPTIMIZERS = ('sgd', 'adamw')
PRECISIONS = ('fp32', 'bf16')


@dataclass(frozen=True)
class Source:
    """
    One domain of the training data.

    :param layout: a layout of ``evaluation.layouts``; ``images`` for a folder of unlabelled
        images, for teachers or soft labels; ``scenes`` for rendered streets.
    :param root: folder, relative to the data folder given on the command line.
    :param weight: share of the samples drawn from here, relative to the other sources.
    :param scale: lowest and highest random scale, of the files' own pixels. SFNet has 0.75 to 2
        (ECCV 2020, section 4.1), its released trainer 0.5 to 2.
    :param part: from which to which share of the images, sorted by name.
    :param taxonomy: what the ids of the labels mean; empty: what the layout says.
    :param classes: draw only crops around these classes, by name. With coarsely labelled images
        of rare classes this is the coarse boosting of SFNet-Lite (IJCV 2023), which takes truck,
        bus, train, wall, rider, motorcycle and fence from train_extra of Cityscapes.
    :param soft: folders of soft labels (``soft_labels``), relative to the data folder, one for
        each teacher; learnt from like ``teachers``, and averaged with them.
    """

    layout: str
    root: str = ''
    split: str = 'train'
    weight: float = 1.0
    scale: tuple[float, float] = (0.5, 2.0)
    part: tuple[float, float] = (0.0, 1.0)
    taxonomy: str = ''
    classes: tuple[str, ...] = ()
    soft: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """
    Everything that decides the outcome of a run but the data themselves.

    Processes and memory do not: what is kept of the images is bounded by ``memory`` alone.

    :param initial: as ``initial.load_initial`` takes it.
    :param batch: of all processes together.
    :param backbone_rate: factor of the learning rate for the backbone.
    :param ohem_probability, ohem_share: of the pixels to learn from, see ``losses.hardest_mean``.
    :param auxiliary_weight: of deep supervision; empty: 1.0, and 0.4 for srnet.
    :param class_weights: of the loss, by class name; 1 where none is given.
    :param loss_stride: the loss is taken at every n-th pixel, in both directions.
    :param class_uniform: share of the crops that lie around a class, all classes equally often
        (SFNet: 0.5, in tiles of 1024 x 1024; here a tile is as large as the crop).
    :param copy_paste: share of the crops that get the things of another crop, which lies around
        one of them (Simple Copy-Paste, CVPR 2021; here for semantic labels, where they stood).
    :param copy_paste_classes: what those things are, by class name.
    :param teachers: models to imitate, as ``weights`` of the node; with ``distillation_weight``
        and ``temperature``, which count for soft labels too.
    :param freeze_norms: keep the statistics of the batch norms, for few images or small batches.
    :param ema: decay of the average of the weights, which is what a run leaves.
    """

    name: str
    network: str
    backbone: str
    sources: tuple[Source, ...]
    validation: tuple[Source, ...] = ()
    taxonomy: str = 'cityscapes'
    initial: str = ''
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    input_height: int = 512
    input_width: int = 1024
    crop_height: int = 384
    crop_width: int = 512
    batch: int = 8
    steps: int = 4000
    optimizer: str = 'sgd'
    learning_rate: float = 0.01
    backbone_rate: float = 1.0
    weight_decay: float = 5e-4
    warmup_steps: int = 100
    poly_power: float = 0.9
    ohem_probability: float = 0.7
    ohem_share: float = 0.0625
    auxiliary_weight: float | None = None
    class_weights: dict[str, float] = field(default_factory=dict)
    loss_stride: int = 1
    class_uniform: float = 0.0
    copy_paste: float = 0.0
    copy_paste_classes: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()
    distillation_weight: float = 1.0
    temperature: float = 1.0
    freeze_norms: bool = False
    aspect: float = 1.25
    ema: float = 0.999
    precision: str = 'fp32'
    seed: int = 0
    about: dict[str, Any] = field(default_factory=dict)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe; raises DataError naming unknown and missing keys."""
    try:
        content = yaml.load(path.read_text(encoding='utf-8'), _StrictLoader)  # noqa: S506
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f'the recipe {path} cannot be read: {error}') from error
    if not isinstance(content, dict):
        raise DataError(f'the recipe {path} holds {type(content).__name__}; expected a mapping')
    content = _checked(path, content, Recipe, ('name', 'network', 'backbone', 'sources'))
    for key in ('sources', 'validation'):
        content[key] = tuple(_source(path, entry) for entry in content.get(key, ()))
    recipe = Recipe(**content)
    if not sum(source.weight for source in recipe.sources):
        raise DataError(
            f'{path}: sources have the weights {[source.weight for source in recipe.sources]}; '
            'expected at least one source with a weight above 0'
        )
    if recipe.copy_paste and not recipe.copy_paste_classes:
        raise DataError(
            f'{path}: copy_paste is {recipe.copy_paste:g} and copy_paste_classes names none; '
            'expected the classes of the things to copy'
        )
    for key, allowed in (('optimizer', OPTIMIZERS), ('precision', PRECISIONS)):
        if (value := getattr(recipe, key)) not in allowed:
            raise DataError(f'{path}: {key} is {value!r}; expected one of {", ".join(allowed)}')
    if (recipe.network, recipe.backbone) not in PAIRS:
        raise DataError(
            f'{path}: network and backbone are {recipe.network!r} and {recipe.backbone!r}; '
            f'expected one of {", ".join(NETWORKS)} on one of {", ".join(BACKBONES)} (srnet on '
            'resnet50 or resnet101)'
        )
    return recipe


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write a recipe so that ``read_recipe`` gives it back."""
    # By way of JSON, whose lists YAML writes plainly; it would mark tuples as Python's.
    plain = json.loads(json.dumps(asdict(recipe)))
    path.write_text(yaml.safe_dump(plain, sort_keys=False, width=99), encoding='utf-8')


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """Return the mapping of a node; raises ConstructorError, which names the line."""
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f'the key {key.value} stands twice; expected it once',
                    key.start_mark,
                )  # fmt: skip
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _source(path: Path, entry: Any) -> Source:
    if not isinstance(entry, dict):
        raise DataError(f'{path}: a source is {entry!r}; expected keys and values: layout: folder')
    source = Source(**_checked(path, entry, Source, ('layout',)))
    if source.layout == 'scenes' and source.soft:
        raise DataError(
            f'{path}: rendered scenes have no files that soft labels could belong to; expected '
            'soft for a source of images'
        )
    return source


def _checked(
    path: Path, entry: dict[str, Any], kind: type, required: tuple[str, ...]
) -> dict[str, Any]:
    """Return the entry with tuples of its lists; raises DataError naming all that is wrong."""
    known = [item.name for item in fields(kind)]
    unknown = [key for key in entry if key not in known]
    missing = [key for key in required if key not in entry]
    if unknown or missing:
        raise DataError(
            f'{path}: missing keys {missing}, unknown keys {unknown}; '
            f'expected of {kind.__name__.lower()}: {", ".join(known)}'
        )
    for item in fields(kind):
        value = entry.get(item.name, [])
        # Any other value in the place of a list was meant to be one.
        if get_origin(item.type) is tuple and not isinstance(value, list):
            raise DataError(f'{path}: {item.name} is {value!r}; expected a list: [{value}]')
    entry = {key: tuple(value) if type(value) is list else value for key, value in entry.items()}
    if wrong := list(wrong_values(entry, kind)):
        where = f' in the source {entry["layout"]}' if kind is Source else ''
        raise DataError(f'{path}{where}: {", and ".join(wrong)}')
    return entry
