"""
The exported graph on OpenVINO: whole, or in two halves around the compiled warp.

OpenVINO samples along a grid in float32 planes only, so in bf16 every feature is turned over and
back around each GridSample: a fifth to a third of the frame of SFNet-Lite. Its alignment module
ends in a step that one compiled loop does on what lies between the halves, a few per cent.
"""

from math import ceil, prod
from typing import Protocol

import numpy as np
import openvino
from openvino import opset13 as ops
from openvino import Type

from .openvino_cut import Cut, find_cut, halves, samplers_of
from .openvino_stripes import stripe_count, stripe_first_layers
from ..flow import shift_of_grid
from ..rounding import rounded_kernels

HINTS = {'fp32': 'f32', 'bf16': 'bf16'}
# Else what goes in is copied, and all that comes out: tens of megabytes that nobody reads.
_WITHOUT_COPIES = {'share_inputs': True, 'share_outputs': True}


class Graph(Protocol):
    """A compiled graph; ``what`` says in how many pieces."""

    what: str

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Map 1 x h x w x 3 uint8 RGB to h' x w' x C float32, good until the next call."""
        ...

    def flow(self) -> np.ndarray | None:
        """Return the flow of the last image as ``backends.Prediction`` has it, or None."""
        ...


def compile_graph(core: openvino.Core, graph: openvino.Model, precision: str) -> Graph:
    """Compile the exported graph; in two halves where it is SFNet-Lite's and numba is there."""
    graph = graph.clone()
    if precision == 'bf16':
        _round_weights(graph)
    config = {'INFERENCE_PRECISION_HINT': HINTS[precision], 'PERFORMANCE_HINT': 'LATENCY'}
    cut = find_cut(graph)
    if cut is None:
        return WholeGraph(core, graph, config)
    try:
        return SplitGraph(core, graph, cut, config)
    except ImportError:
        whole = WholeGraph(core, graph, config)
        whole.what = 'one graph, as numba is not usable here: pip install numba'
        return whole


def _round_weights(graph: openvino.Model) -> None:
    """Round the weights of convolutions, before OpenVINO rounds each of them on its own."""
    for node in graph.get_ops():
        if node.get_type_name() in ('Convolution', 'GroupConvolution'):
            weights = node.input_value(1).get_node()
            # In a quantised graph those in 8 bits are not there as they are.
            if weights.get_type_name() == 'Constant':
                rounded = ops.constant(rounded_kernels(weights.data))
                node.input(1).replace_source_output(rounded.output(0))


class WholeGraph:
    """The graph as it was exported; its other outputs are the sampling grids."""

    what = 'one graph'

    def __init__(self, core: openvino.Core, graph: openvino.Model, config: dict[str, str]) -> None:
        samplers = samplers_of(graph)
        # What is an output stays float32: rounded to bf16 a grid is off by up to a pixel.
        graph.add_outputs([sampler.input_value(1) for sampler in samplers])
        stripe_first_layers(graph, 2 if config['INFERENCE_PRECISION_HINT'] == 'bf16' else 4)
        grids = {
            sampler.input_value(1).shape[2]: number
            for number, sampler in enumerate(samplers, 1)
            # The fine feature, which GD-FAM moves too, has the size of its grid.
            if sampler.input_value(0).shape[3] < sampler.input_value(1).shape[2]
        }
        self._finest = grids[max(grids)] if grids else None
        self._request = core.compile_model(graph, 'CPU', config).create_infer_request()

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Run the graph."""
        self._request.infer({0: image}, **_WITHOUT_COPIES)
        return self._request.get_output_tensor(0).data[0]

    def flow(self) -> np.ndarray | None:
        """Return what the finest grid that moves a coarse feature is moved by."""
        if self._finest is None:
            return None
        return shift_of_grid(self._request.get_output_tensor(self._finest).data[0])


class SplitGraph:
    """
    Backbone and flow, the compiled warp, and the classifier, on memory that all three share.

    Warp and classifier take turns at stripes of rows: what lies between them is the largest
    feature of the network.
    """

    what = 'two graphs around the compiled warp'

    def __init__(
        self, core: openvino.Core, graph: openvino.Model, cut: Cut, config: dict[str, str]
    ) -> None:
        from ..kernels import in_stripes
        from ..kernels.warp import align_and_join

        self._in_stripes, self._align_and_join = in_stripes, align_and_join
        self._type = Type.bf16 if config['INFERENCE_PRECISION_HINT'] == 'bf16' else Type.f32
        _, channels, self._height, width = cut.joined.shape
        count = stripe_count(prod(cut.joined.shape), self._type.size)
        rows, self._margin = ceil(self._height / count), cut.margin
        first, second = halves(graph, cut, self._type, rows)
        stripe_first_layers(first, self._type.size)
        self._first = core.compile_model(first, 'CPU', config).create_infer_request()
        self._second = core.compile_model(second, 'CPU', config).create_infer_request()
        features = []
        for number, value in enumerate((cut.high, cut.low, cut.middle)):
            _, depth, *size = value.shape
            array, tensor = self._shared((*size, depth))
            self._first.set_output_tensor(number, tensor)
            features.append(array)
        self._high, self._low, self._middle = features
        self._joined, tensor = self._shared((rows + 2 * cut.margin, width, channels))
        self._second.set_input_tensor(tensor)
        # The last stripe may reach below the image.
        classes = self._second.model_outputs[0].shape[3]
        lines = ceil(self._height / rows) * rows
        self._logits = np.empty((lines, width, classes), np.float32)
        self._stripes = [
            (top, openvino.Tensor(self._logits[None, top : top + rows], shared_memory=True))
            for top in range(0, lines, rows)
        ]

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Run the first half, and for stripe after stripe the warp and the second half."""
        self._first.infer({0: image}, **_WITHOUT_COPIES)
        places = [self._first.get_output_tensor(number).data[0] for number in (3, 4, 5)]
        for top, tensor in self._stripes:
            self._join(top - self._margin, places)
            self._second.set_output_tensor(tensor)
            self._second.infer(**_WITHOUT_COPIES)
        return self._logits[: self._height]

    def flow(self) -> np.ndarray | None:
        """Return the flow of the coarse feature."""
        return shift_of_grid(self._first.get_output_tensor(3).data[0])

    def _join(self, top: int, places: list[np.ndarray]) -> None:
        """Fill the stripe that begins with row ``top`` of the image; outside are zeros."""
        first = max(-top, 0)
        last = min(self._height - top, len(self._joined))
        self._joined[:first] = 0
        self._joined[last:] = 0
        self._in_stripes(
            self._align_and_join, last - first, self._high, self._low, *places, self._middle,
            self._joined[first:last], top + first,
        )  # fmt: skip

    def _shared(self, shape: tuple[int, ...]) -> tuple[np.ndarray, openvino.Tensor]:
        """Return memory for a feature, channels last, as array (bf16: its bits) and tensor."""
        array = np.zeros(shape, np.uint16 if self._type == Type.bf16 else np.float32)
        return array, openvino.Tensor(array, openvino.Shape((1, *shape)), self._type)
