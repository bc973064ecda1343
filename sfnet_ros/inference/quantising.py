"""8 bits: what stays exact in every runtime, the tool that brings the rest there, the command."""

from collections.abc import Sequence
import logging
import os
import shlex
from typing import Any

from .cache import FOLDER_VARIABLE
from .choice import ModelChoice
from ..errors import BackendError

# Left as they are, by the names of the modules: what finds the sampling points and samples there,
# the joining of features around it, what sums over all pixels, and the logits. Together they are a
# small part of the work.
EXACT = (
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


def in_8_bits(graph: Any, inputs: Sequence[Any], exact: Sequence[str], symmetric: bool) -> Any:
    """
    Return a model of OpenVINO or ONNX with convolutions in 8 bits, by ranges seen on inputs.

    NNCF corrects the biases for what rounding shifts; the quantiser of ONNX Runtime, which does
    not, changes two to three times as many ids. It draws its own progress bars.

    :param exact: patterns of the names of what stays as it is.
    :param symmetric: whether activations of both signs do without a zero point, as TensorRT
        wants it; such agree less.
    :raises BackendError: when NNCF is not installed.
    """
    try:
        import nncf
    except ImportError as error:
        raise BackendError(f'quantising to int8 needs NNCF ({error}): pip install nncf') from error
    # It tells of every operation that it leaves as it is.
    nncf.set_log_level(logging.WARNING)
    presets = nncf.QuantizationPreset
    return nncf.quantize(
        graph,
        nncf.Dataset(inputs),
        preset=presets.PERFORMANCE if symmetric else presets.MIXED,
        subset_size=len(inputs),
        ignored_scope=nncf.IgnoredScope(patterns=list(exact), validate=False),
        # Otherwise the first layer has 7 bits, for CPUs that are too old to gain from 8.
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            overflow_fix=nncf.OverflowFix.DISABLE
        ),
    )


def remedy(choice: ModelChoice, runtime: str) -> str:
    """Return what to do where the file of a model is missing: the command, for this cache."""
    facts = choice.facts
    words = ['sfnet', 'export', f'--{runtime}', '--precision', 'int8', '--images', 'SOURCE']
    if choice.verified:
        words += ['--weights', str(choice.weights.parent)]
    else:
        words += ['--weights', str(choice.weights), '--network', facts.network]
        words += ['--backbone', facts.backbone, '--dataset', facts.taxonomy]
    words += ['--input-height', str(facts.input_height), '--input-width', str(facts.input_width)]
    folder = os.environ.get(FOLDER_VARIABLE, '')
    command = f'{FOLDER_VARIABLE}={shlex.quote(folder)} ' * bool(folder) + shlex.join(words)
    return f'make it, from images like those of the camera, with: {command}'


def missing(choice: ModelChoice, runtime: str) -> BackendError:
    """Return the error of a model that was not quantised for a runtime."""
    facts = choice.facts
    return BackendError(
        f'found no whole int8 file of {facts.name} at {facts.input_height}x{facts.input_width} in '
        f'the cache; {remedy(choice, runtime)}'
    )
