"""The graph as an ONNX file, for the runtimes that read one."""

from collections.abc import Sequence
import copy
from pathlib import Path
import tempfile
import warnings

import torch
from torch import nn, Tensor

from .graph import SegmentationGraph
from .halves import halve
from ..errors import BackendError, ModelError
from ..networks.alignment import finest_shift, has_flow, recorded_flows
from ..networks.layers import resize

# Newer opsets rename GridSample's mode, which TensorRT's parser up to 10.13 silently takes for
# nearest neighbour.
OPSET = 17
OUTPUTS = ('ids', 'logits', 'flow')
PRECISIONS = ('fp32', 'fp16')


class _Exported(nn.Module):
    """The graph with the outputs that were asked for."""

    def __init__(self, graph: SegmentationGraph, outputs: Sequence[str]) -> None:
        super().__init__()
        self.graph = graph
        self.outputs = outputs

    def forward(self, images: Tensor) -> list[Tensor]:
        with recorded_flows(self.graph.network) as flows:
            # TensorRT takes uint8 only into a Cast, so that it comes before anything else.
            logits = self.graph.logits(images.float())
        values = {'logits': logits}
        if (moved := finest_shift(flows)) is not None:
            values['flow'] = moved
        if 'ids' in self.outputs:
            fine = resize(logits.permute(0, 3, 1, 2), self.graph.input_size)
            values['ids'] = fine.argmax(dim=1).to(torch.uint8)
        return [values[name] for name in self.outputs]


def export_onnx(
    graph: SegmentationGraph,
    path: Path,
    outputs: Sequence[str] = ('ids',),
    batch: int | None = 1,
    precision: str = 'fp32',
) -> list[str]:
    """
    Write the graph for images of its input size, which are called ``images`` there.

    ``images`` is batch x height x width x 3 uint8 RGB. The file appears whole or not at all.

    :param batch: how many images at a time; None leaves it to who reads the file.
    :param outputs: ``ids``, batch x height x width uint8; ``logits``, batch x h x w x classes
        float32 before the last upsampling; ``flow``, batch x h x w x 2 float32 as
        ``backends.Prediction`` has it, left out where the network has none.
    :param precision: of the network's features: fp32 or fp16 (``halves.halve``). What goes in and
        comes out, the sampling points and the last upsampling are the same in both.
    :return: the outputs that it has.
    :raises ModelError: when it cannot be written, or would have no output.
    :raises BackendError: when PyTorch cannot export it, as without the package onnx.
    """
    _check('output', outputs, OUTPUTS)
    _check('precision', (precision,), PRECISIONS)
    names = [n for n in dict.fromkeys(outputs) if n != 'flow' or has_flow(graph.network)]
    if not names:
        raise ModelError('the network learns no flow; expected an output ids or logits')
    graph = graph.cpu().float()
    if precision == 'fp16':
        # The caller's graph goes on in float32.
        graph = copy.deepcopy(graph)
        halve(graph.network)
    # In eval mode already: the exporter gives every part the mode back that the whole had.
    exported = _Exported(graph, names).eval()
    images = torch.zeros((batch or 1, *graph.input_size, 3), dtype=torch.uint8)
    free = {} if batch else {name: {0: 'batch'} for name in ('images', *names)}
    try:
        # By this name cache.py finds what is left of it where this process is killed.
        prefix = f'.{path.name.removeprefix(".")}.'
        with tempfile.TemporaryDirectory(prefix=prefix, dir=path.parent) as folder:
            partial = Path(folder) / path.name
            _trace(exported, images, partial, free)
            partial.replace(path)
    except torch.onnx.OnnxExporterError as error:
        raise BackendError(
            f'PyTorch cannot export the model ({error}); it needs the package onnx: '
            'pip install onnx'
        ) from error
    except OSError as error:
        raise ModelError(f'{path} cannot be written: {error}; name a writable place') from error
    return names


def _check(title: str, values: Sequence[str], allowed: Sequence[str]) -> None:
    for value in values:
        if value not in allowed:
            raise ValueError(f'{title} is {value!r}; expected one of {", ".join(allowed)}')


def _trace(
    exported: _Exported, images: Tensor, path: Path, free: dict[str, dict[int, str]]
) -> None:
    """Write what happens to some images; ``free`` names the axes of other lengths, by tensor."""
    with torch.no_grad(), warnings.catch_warnings():
        # The tracer warns of every size that it takes as fixed, which is what is wanted.
        warnings.simplefilter('ignore')
        torch.onnx.export(
            exported,
            (images,),
            path,
            input_names=['images'],
            output_names=list(exported.outputs),
            dynamic_axes=free,
            opset_version=OPSET,
            dynamo=False,
        )
