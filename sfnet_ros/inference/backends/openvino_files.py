"""What OpenVINO reads: the exported model, or that with weights and activations in 8 bits."""

from collections.abc import Sequence
import functools
from pathlib import Path
import tempfile

import numpy as np
import openvino
from openvino.passes import ConstantFolding, Manager

from ..cache import cached
from ..choice import ModelChoice
from ..conversion import exported, parts_of
from ..quantising import EXACT, in_8_bits, missing

_OUTPUTS = ('logits',)


@functools.cache
def shared_core() -> openvino.Core:
    """
    Return the one core of this process, which lives as long.

    The CPU plugin of a core gives its thread another stack for signals and puts back, at its end,
    the one that it found: of two cores that end in the order they were made, the thread is left
    with a stack that was freed, and the next signal, such as that of a child that ended, kills the
    process.
    """
    core = openvino.Core()
    core.get_versions('CPU')  # loads the plugin
    return core


def read_exported(choice: ModelChoice) -> tuple[Path, openvino.Model]:
    """Return the exported model and its file, which PyTorch makes where it is not there."""
    path = exported(choice, _OUTPUTS)
    graph = shared_core().read_model(str(path))
    # What depends on no input, such as the sizes that PyTorch exports as operations. Not of a
    # quantised model: folded to floats its weights would be multiplied as such.
    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(graph)
    return path, graph


def read_quantised(choice: ModelChoice) -> tuple[Path, openvino.Model]:
    """
    Return the quantised model and its file, which only ``quantise`` makes.

    :raises BackendError: when it is not there or damaged, with the command that makes it.
    """

    def refuse(path: Path) -> None:
        raise missing(choice, 'openvino')

    path = cached('int8', _parts(choice), refuse)
    with np.load(path) as parts:
        weights = openvino.Tensor(parts['weights'])
        return path, shared_core().read_model(parts['graph'].tobytes(), weights)


def quantise(choice: ModelChoice, images: Sequence[np.ndarray]) -> Path:
    """
    Bring convolutions to 8 bits (``quantising.in_8_bits``), and keep that in the cache.

    :param images: of the size that the network sees, 1 x h x w x 3 uint8 RGB each.
    :raises BackendError: when NNCF is not installed.
    """
    _, graph = read_exported(choice)
    # Activations of both signs get a zero point; symmetric ones agree less.
    quantised = in_8_bits(graph, images, EXACT, symmetric=False)
    return cached('int8', _parts(choice), lambda path: _save(quantised, path), anew=True)


def _parts(choice: ModelChoice) -> tuple[object, ...]:
    return (*parts_of(choice), 'int8')


def _save(graph: openvino.Model, path: Path) -> None:
    """Write OpenVINO's two files as one."""
    with tempfile.TemporaryDirectory(prefix='.int8.', dir=path.parent) as folder:
        xml = Path(folder) / 'graph.xml'
        openvino.save_model(graph, xml, compress_to_fp16=False)
        weights = np.fromfile(xml.with_suffix('.bin'), np.uint8)
        with path.open('wb') as file:
            np.savez(file, graph=np.fromfile(xml, np.uint8), weights=weights)
