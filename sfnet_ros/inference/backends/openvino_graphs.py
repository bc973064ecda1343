"""
The exported graph on OpenVINO: whole, or in two halves around the compiled warp.

OpenVINO samples along a grid in float32 planes only, so in bf16 every feature is turned over and
back around each GridSample: a fifth to a third of the frame of SFNet-Lite. Its alignment module
ends in a step that one compiled loop does on what lies between the halves, a few per cent.
"""

from typing import NamedTuple, Protocol

import numpy as np
import openvino
from openvino import opset13 as ops
from openvino import Type

from ..flow import shift_of_grid

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


class WholeGraph:
    """The graph as it was exported; its other outputs are the sampling grids."""

    what = 'one graph'

    def __init__(self, core: openvino.Core, graph: openvino.Model, config: dict[str, str]) -> None:
        samplers = _samplers(graph)
        # What is an output stays float32: rounded to bf16 a grid is off by up to a pixel.
        graph.add_outputs([sampler.input_value(1) for sampler in samplers])
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
    """Backbone and flow, the compiled warp, and the classifier, on memory that all three share."""

    what = 'two graphs around the compiled warp'

    def __init__(
        self, core: openvino.Core, graph: openvino.Model, cut: 'Cut', config: dict[str, str]
    ) -> None:
        from ..kernels import in_stripes
        from ..kernels.warp import align_and_join

        self._in_stripes, self._align_and_join = in_stripes, align_and_join
        self._type = Type.bf16 if config['INFERENCE_PRECISION_HINT'] == 'bf16' else Type.f32
        first, second = _halves(graph, cut, self._type)
        self._first = core.compile_model(first, 'CPU', config).create_infer_request()
        self._second = core.compile_model(second, 'CPU', config).create_infer_request()
        features = [self._shared(value) for value in (cut.high, cut.low, cut.middle, cut.joined)]
        self._high, self._low, self._middle, self._joined = (array[0] for array, _ in features)
        for number, (_, tensor) in enumerate(features[:3]):
            self._first.set_output_tensor(number, tensor)
        self._second.set_input_tensor(features[3][1])

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Run both halves, and the warp between them."""
        self._first.infer({0: image}, **_WITHOUT_COPIES)
        places = [self._first.get_output_tensor(number).data[0] for number in (3, 4, 5)]
        self._in_stripes(
            self._align_and_join, len(self._joined), self._high, self._low, *places, self._middle,
            self._joined,
        )  # fmt: skip
        self._second.infer(**_WITHOUT_COPIES)
        return self._second.get_output_tensor(0).data[0]

    def flow(self) -> np.ndarray | None:
        """Return the flow of the coarse feature."""
        return shift_of_grid(self._first.get_output_tensor(3).data[0])

    def _shared(self, value: openvino.Output) -> tuple[np.ndarray, openvino.Tensor]:
        """Return memory for a feature, channels last, as array (bf16: its bits) and tensor."""
        shape = [value.shape[axis] for axis in (0, 2, 3, 1)]
        array = np.zeros(shape, np.uint16 if self._type == Type.bf16 else np.float32)
        return array, openvino.Tensor(array, openvino.Shape(shape), self._type)


class Cut(NamedTuple):
    """What the compiled step reads in SFNet-Lite, and what comes out of it: ``joined``."""

    high: openvino.Output
    low: openvino.Output
    middle: openvino.Output
    high_grid: openvino.Output
    low_grid: openvino.Output
    gate: openvino.Output
    joined: openvino.Output


def find_cut(graph: openvino.Model) -> Cut | None:
    """Find gate * GridSample + (1 - gate) * GridSample joined with a resized feature, or None."""
    samplers = _samplers(graph)
    products = [_reader(sampler) for sampler in samplers]
    if len(samplers) != 2 or any(_kind(product) != 'Multiply' for product in products):
        return None
    gates = [_factor(product, 'Sigmoid') for product in products]
    if gates[0] is None:
        samplers.reverse()
        gates.reverse()
    total = _reader(products[0])
    joined = _reader(total)
    middle = _factor(joined, 'Interpolate')
    if gates[0] is None or _kind(total) != 'Add' or joined is None or middle is None:
        return None
    (high, high_grid), (low, low_grid) = (
        (_before_conversion(sampler.input_value(0)), sampler.input_value(1))
        for sampler in samplers
    )
    resized = middle.get_node().input_value(0)
    return Cut(high, low, resized, high_grid, low_grid, gates[0], joined.output(0))


def _halves(
    graph: openvino.Model, cut: Cut, feature_type: Type
) -> tuple[openvino.Model, openvino.Model]:
    """
    Cut the graph, which is used up; features between the halves lie channels last.

    The first gives high, low, middle, both grids and the gate; the second takes what is joined.
    """
    features = [
        ops.convert(ops.transpose(value, [0, 2, 3, 1]), feature_type)
        for value in (cut.high, cut.low, cut.middle)
    ]
    gate = ops.squeeze(cut.gate, [1])
    results = [ops.result(value) for value in (*features, cut.high_grid, cut.low_grid, gate)]
    first = openvino.Model(results, graph.get_parameters(), 'first half')
    joined = ops.parameter([cut.joined.shape[axis] for axis in (0, 2, 3, 1)], feature_type)
    planes = ops.transpose(ops.convert(joined, Type.f32), [0, 3, 1, 2])
    for reader in cut.joined.get_target_inputs():
        reader.replace_source_output(planes.output(0))
    return first, openvino.Model(graph.get_results(), [joined], 'second half')


def _samplers(graph: openvino.Model) -> list[openvino.Node]:
    return [node for node in graph.get_ops() if _kind(node) == 'GridSample']


def _kind(node: openvino.Node | None) -> str:
    return node.get_type_name() if node is not None else ''


def _reader(node: openvino.Node | None) -> openvino.Node | None:
    """Return the one node that reads this one's output, conversions left out, or None."""
    readers = node.output(0).get_target_inputs() if node is not None else ()
    if len(readers) != 1:
        return None
    reader = next(iter(readers)).get_node()
    return _reader(reader) if _kind(reader) == 'Convert' else reader


def _factor(node: openvino.Node | None, kind: str) -> openvino.Output | None:
    """Return the input of a node that comes from a node of this kind, or None."""
    values = [] if node is None else [node.input_value(k) for k in range(node.get_input_size())]
    return next((value for value in values if _kind(value.get_node()) == kind), None)


def _before_conversion(value: openvino.Output) -> openvino.Output:
    node = value.get_node()
    return node.input_value(0) if _kind(node) == 'Convert' else value
