"""What TensorRT reads: the exported model, or that with weights and activations in 8 bits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..cache import cached
from ..choice import ModelChoice
from ..conversion import exported, parts_of
from ..quantising import EXACT, in_8_bits, missing
from ...errors import BackendError

# All in one engine: logits and flow are computed anyway, and are fetched only when asked for.
_OUTPUTS = ('ids', 'logits', 'flow')
_QUANTISERS = ('QuantizeLinear', 'DequantizeLinear')


def read_model(choice: ModelChoice, precision: str) -> Path:
    """
    Return the ONNX file of a precision, for any number of images.

    :raises BackendError: when it is int8, which only ``quantise`` makes, and is not there.
    """
    if precision != 'int8':
        return exported(choice, _OUTPUTS, precision, batch=None)

    def refuse(path: Path) -> None:
        raise missing(choice, 'tensorrt')

    return cached('int8.onnx', parts_of(choice), refuse)


def quantise(choice: ModelChoice, images: Sequence[np.ndarray]) -> Path:
    """
    Bring convolutions to 8 bits (``quantising.in_8_bits``), and keep that in the cache.

    What quantises stands in the file, as pairs of QuantizeLinear and DequantizeLinear; what is not
    in 8 bits is float32 there, in which opset 17 has them.

    :param images: of the size that the network sees, 1 x h x w x 3 uint8 RGB each.
    :raises BackendError: when a package for it is not installed.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401  NNCF runs the model with it
    except ImportError as error:
        raise BackendError(
            f'quantising for TensorRT needs ONNX and ONNX Runtime ({error}): '
            'pip install onnx onnxruntime'
        ) from error
    graph = onnx.load(exported(choice, _OUTPUTS, batch=None))
    # Normalisation and the last step too: 8 bits of both signs cannot hold a uint8.
    exact = (*EXACT, '/[^/]*$')
    quantised = in_8_bits(graph, [{'images': image} for image in images], exact, symmetric=True)
    _sign(quantised)
    parts = parts_of(choice)
    return cached('int8.onnx', parts, lambda path: onnx.save(quantised, path), anew=True)


def _sign(model: Any) -> None:
    """
    Turn uint8 into int8, the only type of 8 bits that TensorRT quantises to.

    NNCF makes unsigned what is never negative, with zero at 0 as well: half of the steps are left.
    """
    from onnx import numpy_helper, TensorProto

    values = {value.name: value for value in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in _QUANTISERS and values[node.input[2]].data_type == TensorProto.UINT8:
            scale, zero = (values[name] for name in node.input[1:3])
            wider = numpy_helper.to_array(scale) * np.float32(255 / 127)
            signed = numpy_helper.to_array(zero).astype(np.int8)
            scale.CopyFrom(numpy_helper.from_array(wider, scale.name))
            zero.CopyFrom(numpy_helper.from_array(signed, zero.name))
    # The types of what lies between, which readers work out themselves.
    del model.graph.value_info[:]
