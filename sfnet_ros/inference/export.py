"""The graph as an ONNX file, for the runtimes that read one."""

from pathlib import Path
import tempfile
import warnings

import torch
from torch import nn, Tensor

from .graph import SegmentationGraph
from ..errors import BackendError, ModelError

# Newer opsets rename GridSample's mode, which TensorRT's parser up to 10.13 silently takes for
# nearest neighbour.
OPSET = 17
OUTPUTS = ('ids', 'logits')


class _Logits(nn.Module):
    """The graph up to the coarse logits."""

    def __init__(self, graph: SegmentationGraph) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, images: Tensor) -> Tensor:
        return self.graph.logits(images)


def export_onnx(graph: SegmentationGraph, path: Path, output: str = 'ids', batch: int = 1) -> None:
    """
    Write the graph for images of its input size, which are called ``images`` there.

    ``images`` is batch x height x width x 3 uint8 RGB. The file appears whole or not at all.

    :param output: ``ids``, batch x height x width uint8, or ``logits``, batch x h x w x classes
        float32 before the last upsampling.
    :raises ModelError: when it cannot be written.
    :raises BackendError: when PyTorch cannot export it, as without the package onnx.
    """
    if output not in OUTPUTS:
        raise ValueError(f'output is {output!r}; expected one of {", ".join(OUTPUTS)}')
    images = torch.zeros((batch, *graph.input_size, 3), dtype=torch.uint8)
    # In eval mode already: the exporter gives every part the mode back that the whole had.
    exported = (graph if output == 'ids' else _Logits(graph)).cpu().float().eval()
    try:
        with tempfile.TemporaryDirectory(prefix='.export.', dir=path.parent) as folder:
            partial = Path(folder) / path.name
            with torch.no_grad(), warnings.catch_warnings():
                # The tracer warns of every size that it takes as fixed, which is what is wanted.
                warnings.simplefilter('ignore')
                torch.onnx.export(
                    exported,
                    (images,),
                    partial,
                    input_names=['images'],
                    output_names=[output],
                    opset_version=OPSET,
                    dynamo=False,
                )
            partial.replace(path)
    except torch.onnx.OnnxExporterError as error:
        raise BackendError(
            f'PyTorch cannot export the model ({error}); it needs the package onnx: '
            'pip install onnx'
        ) from error
    except OSError as error:
        raise ModelError(f'{path} cannot be written: {error}; name a writable place') from error
