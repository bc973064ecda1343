"""What OpenVINO reads: the exported model, or that with weights and activations in 8 bits."""

from collections.abc import Sequence
import functools
import logging
import os
from pathlib import Path
import shlex
import tempfile
import zipfile

import numpy as np
import openvino
from openvino.passes import ConstantFolding, Manager

from ..cache import cached, FOLDER_VARIABLE
from ..choice import ModelChoice
from ..conversion import exported, parts_of
from ...errors import BackendError

_OUTPUTS = ('logits',)
# Left as they are, by the names of the modules: what finds the sampling points and samples there,
# the joining of features around it, which is compiled apart, what sums over all pixels, and the
# logits. Together they are a small part of the work.
_FLOAT = (
    '.*/flow_align_module/.*',
    r'.*/fpn_out_align\.\d+/.*',
    '.*/ppm/.*',
    '/head/module/.*',
    '/head/[^/]*$',
    r'.*/conv_last\.1/.*',
    r'.*/final\.4/.*',
    # The first layers of EfficientNet-Lite: few channels, and half of what rounding changes.
    '/backbone/stem/.*',
    r'/backbone/stages\.0/stages\.0\.0/(depthwise|project)/.*',
)


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


def read_exported(core: openvino.Core, choice: ModelChoice) -> tuple[Path, openvino.Model]:
    """Return the exported model and its file, which PyTorch makes where it is not there."""
    path = exported(choice, _OUTPUTS)
    try:
        graph = core.read_model(str(path))
    except RuntimeError:
        # Damaged after it was written, whatever by: made anew once.
        path = exported(choice, _OUTPUTS, anew=True)
        graph = core.read_model(str(path))
    # What depends on no input, such as the sizes that PyTorch exports as operations. Not of a
    # quantised model: folded to floats its weights would be multiplied as such.
    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(graph)
    return path, graph


def read_quantised(core: openvino.Core, choice: ModelChoice) -> tuple[Path, openvino.Model]:
    """
    Return the quantised model and its file, which only ``quantise`` makes.

    :raises BackendError: when it is not there or damaged, with the command that makes it.
    """
    remedy = f'make it, from images like those of the camera, with: {_command(choice)}'

    def refuse(path: Path) -> None:
        facts = choice.facts
        raise BackendError(
            f'found no int8 file of {facts.name} at {facts.input_height}x{facts.input_width} in '
            f'the cache; {remedy}'
        )

    path = cached('int8', _parts(choice), refuse)
    try:
        with np.load(path) as parts:
            weights = openvino.Tensor(parts['weights'])
            return path, core.read_model(parts['graph'].tobytes(), weights)
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise BackendError(f'{path} is damaged ({error}); {remedy}') from error


def quantise(choice: ModelChoice, images: Sequence[np.ndarray]) -> Path:
    """
    Bring convolutions to 8 bits by NNCF, with ranges seen on images, and keep that in the cache.

    NNCF is the tool of OpenVINO's makers for this, and corrects the biases for what rounding
    shifts. It draws its own progress bars.

    :param images: of the size that the network sees, 1 x h x w x 3 uint8 RGB each.
    :raises BackendError: when NNCF is not installed.
    """
    try:
        import nncf
    except ImportError as error:
        raise BackendError(f'quantising to int8 needs NNCF ({error}): pip install nncf') from error
    # It tells of every operation that it leaves as it is.
    nncf.set_log_level(logging.WARNING)
    _, graph = read_exported(shared_core(), choice)
    quantised = nncf.quantize(
        graph,
        nncf.Dataset(images),
        # Activations of both signs get a zero point; symmetric ones agree less.
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(images),
        ignored_scope=nncf.IgnoredScope(patterns=list(_FLOAT), validate=False),
        # Otherwise the first layer has 7 bits, for CPUs that are too old to gain from 8.
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            overflow_fix=nncf.OverflowFix.DISABLE
        ),
    )
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


def _command(choice: ModelChoice) -> str:
    """Return the command that makes the file of a model, for the cache folder in use."""
    facts = choice.facts
    words = ['sfnet', 'export', '--openvino', '--precision', 'int8', '--images', 'SOURCE']
    if choice.verified:
        words += ['--weights', str(choice.weights.parent)]
    else:
        words += ['--weights', str(choice.weights), '--network', facts.network]
        words += ['--backbone', facts.backbone, '--dataset', facts.taxonomy]
    words += ['--input-height', str(facts.input_height), '--input-width', str(facts.input_width)]
    folder = os.environ.get(FOLDER_VARIABLE, '')
    return f'{FOLDER_VARIABLE}={shlex.quote(folder)} ' * bool(folder) + shlex.join(words)
