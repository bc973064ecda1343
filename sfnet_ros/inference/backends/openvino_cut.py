"""Where the graph of SFNet-Lite is cut in two halves, so that a compiled loop can join them."""

from typing import NamedTuple

import openvino
from openvino import opset13 as ops
from openvino import Type

from .openvino_stripes import is_windowed, local_layers, pad_rows, reach_of


class Cut(NamedTuple):
    """
    What the compiled step reads in SFNet-Lite, and what comes out of it: ``joined``.

    ``convolution`` is the only one after it that looks at rows around: ``margin`` of them.
    """

    high: openvino.Output
    low: openvino.Output
    middle: openvino.Output
    high_grid: openvino.Output
    low_grid: openvino.Output
    gate: openvino.Output
    joined: openvino.Output
    convolution: openvino.Node
    margin: int


def find_cut(graph: openvino.Model) -> Cut | None:
    """Find gate * GridSample + (1 - gate) * GridSample joined with a resized feature, or None."""
    samplers = samplers_of(graph)
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
    wide = [layer for layer in _classifier(joined) if is_windowed(layer) and reach_of(layer) > 1]
    if len(wide) != 1:
        return None
    (high, high_grid), (low, low_grid) = (
        (_before_conversion(sampler.input_value(0)), sampler.input_value(1))
        for sampler in samplers
    )
    features = (high, low, middle.get_node().input_value(0))
    places = (high_grid, low_grid, gates[0])
    return Cut(*features, *places, joined.output(0), wide[0], reach_of(wide[0]) // 2)


def halves(
    graph: openvino.Model, cut: Cut, feature_type: Type, rows: int
) -> tuple[openvino.Model, openvino.Model]:
    """
    Cut the graph, which is used up; features between the halves lie channels last.

    The first gives high, low, middle, both grids and the gate; the second takes so many rows of
    what is joined, and the margin above and below, zeros where there is no more.
    """
    features = [
        ops.convert(ops.transpose(value, [0, 2, 3, 1]), feature_type)
        for value in (cut.high, cut.low, cut.middle)
    ]
    gate = ops.squeeze(cut.gate, [1])
    results = [ops.result(value) for value in (*features, cut.high_grid, cut.low_grid, gate)]
    first = openvino.Model(results, graph.get_parameters(), 'first half')
    _, channels, _, columns = cut.joined.shape
    joined = ops.parameter([1, rows + 2 * cut.margin, columns, channels], feature_type)
    planes = ops.transpose(ops.convert(joined, Type.f32), [0, 3, 1, 2])
    for reader in cut.joined.get_target_inputs():
        reader.replace_source_output(planes.output(0))
    pad_rows(cut.convolution, 0, 0)
    return first, openvino.Model(graph.get_results(), [joined], 'second half')


def _classifier(joined: openvino.Node) -> list[openvino.Node]:
    """Return the layers from there to the logits; none where there is more than a chain."""
    layers = local_layers(joined.output(0))
    return layers if layers and _kind(_reader(layers[-1])) == 'Result' else []


def samplers_of(graph: openvino.Model) -> list[openvino.Node]:
    """Return what samples features along a grid."""
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
