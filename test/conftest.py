"""Models and pictures that many tests share; everything is made in the test's own folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file
from sfnet_ros import taxonomies
from sfnet_ros.inference.models import file_sha256, ModelFacts, write_facts
from sfnet_ros.networks import create_network
import torch

# Small networks gain nothing from threads, and lose much where other work shares the cores.
torch.set_num_threads(1)


def write_model(folder: Path, **facts: object) -> Path:
    """Write a model folder with seeded random weights that tell classes apart; returns it."""
    values = {
        'name': folder.name,
        'network': 'sfnet_lite',
        'backbone': 'stdc1',
        'taxonomy': 'cityscapes',
        'input_height': 64,
        'input_width': 128,
        'weights': 'weights.safetensors',
        'parameters': 0,
    } | facts
    classes = len(taxonomies.get(str(values['taxonomy'])).classes)
    torch.manual_seed(0)
    network = create_network(str(values['network']), str(values['backbone']), classes)
    # One pass over noise sets the statistics of the norms, so that the classes vary over an image.
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.momentum = None
        network.train()(torch.randn(4, 3, 64, 128))
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / str(values['weights'])
    save_file(network.state_dict(), weights)
    write_facts(folder, ModelFacts(**values, sha256=file_sha256(weights)))
    return folder


@pytest.fixture(scope='session', autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep converted models of the tests and their processes apart from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp('cache')
        patch.setenv('XDG_CACHE_HOME', str(folder))
        patch.delenv('SFNET_CACHE_DIR', raising=False)
        yield folder / 'sfnet_ros'


@pytest.fixture(scope='session')
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small SFNet-Lite model (STDC1, 64x128, random weights), not to be changed."""
    return write_model(tmp_path_factory.mktemp('models') / 'small')


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a model folder of one's own: a name, and facts."""
    return lambda name='model', **facts: write_model(tmp_path / name, **facts)


@pytest.fixture(scope='session')
def picture() -> np.ndarray:
    """Return a picture with structure: 359 x 641 x 3 uint8 RGB."""
    rows, columns = np.mgrid[:359, :641]
    waves = np.stack((rows * 0.7, columns * 0.4, rows + columns), axis=-1)
    noise = np.random.default_rng(0).integers(0, 60, waves.shape)
    return np.uint8((np.sin(waves / 17) + 1) * 95 + noise)
