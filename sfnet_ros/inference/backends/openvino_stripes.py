"""
Layers computed in stripes of rows, one after the other: less memory for the same numbers.

Features are largest in the first layers: at 1024x2048 a convolution of ResNet-18's stem turns
64 MB into 128, in bf16. Convolution and pooling only look at a few rows around, so that a stripe
of what they give needs little more than a stripe of the image.
"""

from math import ceil, prod

import numpy as np
import openvino
from openvino import opset13 as ops

# Larger features are computed in parts of about this size. Smaller ones would save little more:
# the rest of the network then needs the most.
_MOST_BYTES = 16 << 20
_BY_PIXEL = (
    'Add', 'Clamp', 'Convert', 'Divide', 'FakeQuantize', 'Maximum', 'Minimum', 'Multiply', 'Relu',
    'Subtract', 'Transpose',
)  # fmt: skip
_WINDOWED = ('Convolution', 'GroupConvolution', 'MaxPool')


def stripe_count(elements: int, element_bytes: int) -> int:
    """Return in how many stripes a feature is to be computed."""
    return ceil(elements * element_bytes / _MOST_BYTES)


def stripe_first_layers(graph: openvino.Model, element_bytes: int) -> None:
    """
    Change a graph to compute its first layers in stripes, if their features are large.

    :param element_bytes: what a number of a feature takes.
    """
    images = graph.get_parameters()[0]
    layers = local_layers(images.output(0))
    if not any(is_windowed(layer) for layer in layers):
        return
    largest = max(prod(layer.get_output_shape(0)) for layer in layers)
    count = stripe_count(largest, element_bytes)
    if count < 2:
        return
    last = layers[-1].output(0)
    readers = last.get_target_inputs()
    original = openvino.Model([last], [images], 'first layers')
    bounds = np.linspace(0, last.shape[2], count + 1).astype(int).tolist()
    stripes = [
        _stripe(original.clone(), images, start, stop)
        for start, stop in zip(bounds[:-1], bounds[1:], strict=True)
    ]
    joined = ops.concat(stripes, 2)
    for reader in readers:
        reader.replace_source_output(joined.output(0))
    graph.validate_nodes_and_infer_types()


def local_layers(value: openvino.Output) -> list[openvino.Node]:
    """Return the layers after a value, as long as one alone reads each and looks at few rows."""
    layers: list[openvino.Node] = []
    while len(readers := value.get_target_inputs()) == 1:
        layer = next(iter(readers)).get_node()
        if not _is_local(layer, value):
            break
        layers.append(layer)
        value = layer.output(0)
    return layers


def is_windowed(layer: openvino.Node) -> bool:
    """Return whether a layer looks at pixels around."""
    return layer.get_type_name() in _WINDOWED


def reach_of(layer: openvino.Node) -> int:
    """Return how many rows a convolution or pooling looks at for one of its own."""
    attributes = layer.get_attributes()
    rows = attributes['kernel'][0] if 'kernel' in attributes else layer.input_value(1).shape[-2]
    return (rows - 1) * attributes['dilations'][0] + 1


def pad_rows(layer: openvino.Node, above: int, below: int) -> None:
    """Change how many rows of zeros a convolution adds; a pooling takes them as nothing."""
    attributes = layer.get_attributes()
    layer.set_attribute('pads_begin', [above, attributes['pads_begin'][1]])
    layer.set_attribute('pads_end', [below, attributes['pads_end'][1]])


def _is_local(layer: openvino.Node, value: openvino.Output) -> bool:
    if is_windowed(layer):
        return layer.input_value(0) == value and layer.get_attributes()['auto_pad'] == 'explicit'
    # What it takes beside the feature must be one for all rows: a number for each channel at most.
    others = [other.shape for other in layer.input_values() if other != value]
    return layer.get_type_name() in _BY_PIXEL and all(prod(s) == max(s, default=1) for s in others)


def _stripe(
    layers: openvino.Model, images: openvino.Node, start: int, stop: int
) -> openvino.Output:
    """Make a clone of the layers give only these rows, of the rows of the images for them."""
    inside, result = layers.get_parameters()[0], layers.get_results()[0].input_value(0)
    for layer in reversed(local_layers(inside.output(0))):
        if is_windowed(layer):
            start, stop = _narrow(layer, start, stop)
    rows = ops.slice(images, [start], [stop], [1], [1])
    for reader in inside.output(0).get_target_inputs():
        reader.replace_source_output(rows.output(0))
    return result


def _narrow(layer: openvino.Node, start: int, stop: int) -> tuple[int, int]:
    """Pad a layer for these rows of its result alone, and return which it then has to read."""
    attributes, rows = layer.get_attributes(), layer.input_value(0).shape[2]
    stride, padding = attributes['strides'][0], attributes['pads_begin'][0]
    first = start * stride - padding
    last = (stop - 1) * stride - padding + reach_of(layer)
    pad_rows(layer, max(0, -first), max(0, last - rows))
    return max(first, 0), min(last, rows)
