"""
Model folders: ``model.yaml`` holds the facts of the weights that lie beside it.

Reads without torch; every fact is checked once here, so that below plain values are passed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
import hashlib
from pathlib import Path
import shutil
import tempfile
from typing import Any

import yaml

from .. import taxonomies
from ..errors import ModelError

NETWORK_NAMES = (
    'sfnet_lite',
    'sfnet_lite_convgate',
    'sfnet',
    'sfnet_dsn',
    'sfnet_sr',
    'fpn',
    'srnet',
)
BACKBONE_NAMES = (
    'resnet18',
    'resnet50',
    'resnet101',
    'df1',
    'df2',
    'stdc1',
    'stdc2',
    'shufflenet_v2',
    'efficientnet_lite0',
    'efficientnet_lite1',
    'efficientnet_lite2',
)
DEFAULT_MODEL = 'sfnet_lite_efficientnet_lite0'
FACTS_FILE = 'model.yaml'
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ModelFacts:
    """
    What must be known to run and to trust a set of weights.

    ``taxonomy`` is a name, or the path of a table of one's own, which lies beside ``model.yaml``.
    ``mean`` and ``std`` are of RGB in 0..1; ``input_height`` and ``input_width`` are pixels;
    ``about`` holds what people read: training data, licences, recipe, accuracy, limits.
    """

    name: str
    network: str
    backbone: str
    taxonomy: str
    input_height: int
    input_width: int
    weights: str
    sha256: str
    parameters: int
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    channel_order: str = 'rgb'
    about: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check every value; raises ModelError with found, expected and remedy."""
        choices = {
            'network': NETWORK_NAMES,
            'backbone': BACKBONE_NAMES,
            'channel_order': ('rgb', 'bgr'),
        }
        if not self.taxonomy.endswith(taxonomies.TABLE_SUFFIX):
            choices['taxonomy'] = taxonomies.NAMES
        for key, allowed in choices.items():
            if getattr(self, key) not in allowed:
                self._refuse(key, f'one of {", ".join(allowed)}')
        for key in ('input_height', 'input_width'):
            if not isinstance(getattr(self, key), int) or getattr(self, key) < 32:
                self._refuse(key, 'a whole number of pixels, 32 or more')
        for key in ('mean', 'std'):
            if len(getattr(self, key)) != 3:
                self._refuse(key, 'three numbers, of red, green and blue')
        if min(self.std) <= 0:
            self._refuse('std', 'three numbers above zero')

    def _refuse(self, key: str, expected: str) -> None:
        raise ModelError(
            f'model {self.name!r}: {key} is {getattr(self, key)!r}; expected {expected}'
        )


def read_facts(folder: Path) -> ModelFacts:
    """Read and check ``folder/model.yaml``; raises ModelError."""
    path = folder / FACTS_FILE
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except FileNotFoundError as error:
        raise ModelError(
            f'{folder} holds no {FACTS_FILE}; expected a model folder as models/{DEFAULT_MODEL}'
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(f'{path} cannot be read: {error}') from error
    if not isinstance(content, dict):
        raise ModelError(f'{path} holds {type(content).__name__}; expected a mapping of facts')
    known = {item.name: item for item in fields(ModelFacts)}
    unknown = sorted(set(content) - set(known))
    required = ('name', 'network', 'backbone', 'taxonomy', 'input_height', 'input_width')
    missing = [key for key in (*required, 'weights', 'sha256', 'parameters') if key not in content]
    if unknown or missing:
        raise ModelError(
            f'{path}: missing keys {missing}, unknown keys {unknown}; expected {sorted(known)}'
        )
    for key in ('mean', 'std'):
        if key in content:
            content[key] = _triple(path, key, content[key])
    if str(content['taxonomy']).endswith(taxonomies.TABLE_SUFFIX):
        content['taxonomy'] = str(folder / content['taxonomy'])
    return ModelFacts(**content)


def write_facts(folder: Path, facts: ModelFacts) -> None:
    """Write ``model.yaml`` into the folder."""
    content = asdict(facts) | {'mean': list(facts.mean), 'std': list(facts.std)}
    if facts.taxonomy.endswith(taxonomies.TABLE_SUFFIX):
        content['taxonomy'] = Path(facts.taxonomy).name
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=99)
    (folder / FACTS_FILE).write_text(text, encoding='utf-8')


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """
    Yield a folder that gets this name at the end; nothing is left behind when that fails.

    :raises ModelError: when there is one of that name.
    """
    if folder.exists():
        raise ModelError(f'{folder} exists; expected a new folder: remove it or name another')
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f'.{folder.name}.', dir=folder.parent))
    try:
        yield partial
        for path in partial.iterdir():
            path.chmod(0o644)
        partial.chmod(0o755)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def models_folder() -> Path:
    """
    Return the folder of the shipped models: in a checkout or under an install prefix.

    :raises ModelError: when the package was installed without its data files.
    """
    for parent in Path(__file__).resolve().parents:
        if (parent / 'package.xml').is_file() and (parent / 'models').is_dir():
            return parent / 'models'
        installed = parent / 'share' / 'sfnet_ros' / 'models'
        if installed.is_dir():
            return installed
    raise ModelError(
        f'no models folder beside {Path(__file__).parents[1]}; expected share/sfnet_ros/models '
        'under the same prefix: install the whole package (colcon build, or pip install)'
    )


def shipped_models() -> Iterator[tuple[Path, ModelFacts]]:
    """Yield folder and facts of every shipped model, the default one first."""
    folders = sorted(path.parent for path in models_folder().glob(f'*/{FACTS_FILE}'))
    for folder in sorted(folders, key=lambda path: path.name != DEFAULT_MODEL):
        yield folder, read_facts(folder)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open('rb') as file:
        digest = hashlib.sha256()
        for block in iter(lambda: file.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()


def _triple(path: Path, key: str, value: Any) -> tuple[float, float, float]:
    try:
        first, second, third = (float(number) for number in value)
    except (TypeError, ValueError) as error:
        raise ModelError(f'{path}: {key} is {value!r}; expected three numbers') from error
    return first, second, third
