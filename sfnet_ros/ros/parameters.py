"""The parameters of the node: one table, which declares, describes and checks them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import re
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node

from .serving import OUTPUT_IDS
from .. import inference, taxonomies

TRANSPORTS = ('raw', 'compressed')
OUTPUT_SIZES = ('source', 'network')
_NAMESPACE = re.compile('/?[A-Za-z]\\w*(/[A-Za-z]\\w*)*', re.ASCII)


@dataclass(frozen=True)
class Spec:
    """A parameter: ``choices`` or ``limits`` bound it; ``live`` ones may change while running."""

    name: str
    default: str | int | float | bool | list[str]
    description: str
    choices: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None
    live: bool = False


SPECS = (
    Spec('network', '', 'Network; empty: what the weights are.', ('', *inference.NETWORK_NAMES)),
    Spec(
        'backbone', '', 'Backbone; empty: what the weights are.', ('', *inference.BACKBONE_NAMES)
    ),
    Spec(
        'dataset',
        '',
        'Taxonomy the weights were trained for; empty: what the model says.',
        ('', *taxonomies.NAMES),
    ),
    Spec('input_height', 0, 'Height the network sees; 0: what the model says.', limits=(0, 8192)),
    Spec('input_width', 0, 'Width the network sees; 0: what the model says.', limits=(0, 8192)),
    Spec(
        'weights',
        '',
        'Name of a shipped model, a model folder or a checkpoint file; empty: the shipped model '
        'that fits network, backbone and dataset.',
    ),
    Spec('backend', 'auto', 'Runtime of the network.', inference.BACKENDS),
    Spec('precision', 'auto', 'Number format inside the network.', inference.PRECISIONS),
    Spec('image_transport', 'raw', 'Read image (raw) or image/compressed.', TRANSPORTS),
    Spec(
        'output_ids',
        'train_id',
        'Ids to publish: those the model was trained with, the label ids of Cityscapes, or the '
        'classes of Autoware.',
        OUTPUT_IDS,
    ),
    Spec(
        'confidence_threshold',
        0.0,
        'Pixels whose confidence (a probability) is below it are published as 255, unlabelled.',
        limits=(0, 1),
    ),
    Spec('overlay_alpha', 0.5, 'Weight of the colours in overlay.', limits=(0, 1), live=True),
    Spec(
        'lazy',
        True,
        'Do nothing for outputs that nobody subscribed to; false: the label is always computed.',
        live=True,
    ),
    Spec(
        'max_age_s',
        0.0,
        'Frames older than this when their turn comes are dropped, by stamp and the clock of the '
        'node; 0: never.',
        limits=(0, 3600),
        live=True,
    ),
    Spec(
        'max_rate_hz',
        0.0,
        'Frames that come faster are dropped; 0: the newest one whenever the model is ready.',
        limits=(0, 1000),
        live=True,
    ),
    # An empty list has no type for rclpy, so that none is the empty name.
    Spec(
        'cameras',
        [''],
        'Namespaces of the cameras: front reads front/image and writes front/segmentation/label; '
        'empty: one camera without a namespace.',
    ),
    Spec(
        'max_batch',
        0,
        'How many frames of several cameras go through the network at once, where their sizes are '
        'equal and they wait; 0: all where that is quicker (on a GPU), else one.',
        limits=(0, 64),
    ),
    Spec(
        'output_size',
        'source',
        'Size of the outputs: of the image (source), or what the network sees (network).',
        OUTPUT_SIZES,
    ),
    Spec(
        'cache_dir',
        '',
        'Folder for converted models; empty: sfnet_ros in XDG_CACHE_HOME or ~/.cache.',
    ),
    Spec(
        'autostart',
        True,
        'Configure and activate at start; false: a lifecycle manager does.',
    ),
)
# Live as well: the model is loaded beside the one that serves.
MODEL_NAMES = (
    'weights',
    'network',
    'backbone',
    'dataset',
    'input_height',
    'input_width',
    'backend',
    'precision',
)
# Live without loading: what the model says is published otherwise from one frame on.
SERVING_NAMES = (*MODEL_NAMES, 'output_ids', 'confidence_threshold')
DEFAULTS = {spec.name: spec.default for spec in SPECS}
_BY_NAME = {spec.name: spec for spec in SPECS}


def declare(node: Node) -> None:
    """
    Declare all parameters and check what the user set.

    :raises ValueError: naming the parameter, what was found and what is expected.
    """
    for spec in SPECS:
        try:
            found: Any = node.declare_parameter(spec.name, spec.default, _descriptor(spec))
        except ParameterException as error:
            raise ValueError(f'{error}; expected {_expected(spec)}') from error
        if reason := problem(spec.name, found.value):
            raise ValueError(reason)


def problem(name: str, value: Any) -> str:
    """Return what is wrong with a value of the right type, or '' (also for unknown names)."""
    spec = _BY_NAME.get(name)
    if spec is None:
        return ''
    if name == 'cameras':
        return _cameras_problem(value)
    outside = spec.limits and not spec.limits[0] <= value <= spec.limits[1]
    if outside or (spec.choices and value not in spec.choices):
        return f'parameter {name} is {value!r}; expected {_expected(spec)}'
    return ''


def asked(node: Node) -> dict[str, Any]:
    """Return the values of SERVING_NAMES: which model is to serve, and how."""
    return {name: node.get_parameter(name).value for name in SERVING_NAMES}


def of_model(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the values that are arguments of inference.load."""
    return {name: values[name] for name in MODEL_NAMES}


def cameras(node: Node) -> list[str]:
    """Return the names of the cameras, [''] for the only one."""
    # A list that is given as [] leaves the parameter without a value.
    return [name for name in node.get_parameter_or('cameras').value or [] if name] or ['']


def most_at_once(node: Node) -> int:
    """Return the most frames that may ever go through the network at once, one of each camera."""
    most = len(cameras(node))
    return min(node.get_parameter('max_batch').value or most, most)


def is_fixed(name: str) -> bool:
    """Return whether a parameter of ours takes effect at configure only."""
    return name in _BY_NAME and not _BY_NAME[name].live and name not in SERVING_NAMES


def unknown(node: Node) -> list[str]:
    """Return the parameters that the user set and no one declared, most likely misspelt."""
    # rclpy offers no public way to ask; where the attribute is missing nothing is reported.
    given = getattr(node, '_parameter_overrides', {})
    return sorted(
        name
        for name in given
        if not node.has_parameter(name) and not name.startswith('qos_overrides.')
    )


def _cameras_problem(value: Sequence[str] | None) -> str:
    names = [name for name in value or [] if name]
    if all(map(_NAMESPACE.fullmatch, names)) and len(set(names)) == len(names):
        return ''
    return (
        f'parameter cameras is {names}; expected different names of letters, digits and _, such '
        'as [front, left]'
    )


def _expected(spec: Spec) -> str:
    if spec.choices:
        return 'one of ' + ', '.join(choice or "'' (empty)" for choice in spec.choices)
    if spec.limits:
        return f'{type(spec.default).__name__} in {spec.limits[0]}..{spec.limits[1]}'
    return f'a {type(spec.default).__name__}'


def _descriptor(spec: Spec) -> ParameterDescriptor:
    # Whether a fixed parameter may change depends on the node's state: read_only cannot say that.
    descriptor = ParameterDescriptor(description=spec.description)
    if spec.choices:
        descriptor.additional_constraints = _expected(spec)
    if spec.limits:
        low, high = spec.limits
        if isinstance(spec.default, int):
            whole = IntegerRange(from_value=int(low), to_value=int(high), step=1)
            descriptor.integer_range = [whole]
        else:
            span = FloatingPointRange(from_value=float(low), to_value=float(high))
            descriptor.floating_point_range = [span]
    return descriptor
