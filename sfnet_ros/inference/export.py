"""The graph as an ONNX file, for the runtimes that read one."""

from pathlib import Path
import tempfile
import warnings

import torch

from .graph import SegmentationGraph
from ..errors import ModelError

# Newer opsets rename GridSample's mode, which TensorRT's parser up to 10.13 silently takes for
# nearest neighbour.
OPSET = 17


def export_onnx(graph: SegmentationGraph, path: Path, batch: int = 1) -> None:
    """
    Write the graph for images of its own input size: ``images`` in, ``ids`` out.

    ``images`` is batch x height x width x 3 uint8 RGB, ``ids`` batch x height x width uint8. The
    file appears whole or not at all.

    :raises ModelError: when it cannot be written.
    """
    images = torch.zeros((batch, *graph.input_size, 3), dtype=torch.uint8)
    graph = graph.cpu().float().eval()
    try:
        with tempfile.TemporaryDirectory(prefix='.export.', dir=path.parent) as folder:
            partial = Path(folder) / path.name
            with torch.no_grad(), warnings.catch_warnings():
                # The tracer warns of every size that it takes as fixed, which is what is wanted.
                warnings.simplefilter('ignore')
                torch.onnx.export(
                    graph,
                    (images,),
                    partial,
                    input_names=['images'],
                    output_names=['ids'],
                    opset_version=OPSET,
                    dynamo=False,
                )
            partial.replace(path)
    except OSError as error:
        raise ModelError(f'{path} cannot be written: {error}; name a writable place') from error
