"""What the launch file decides: its arguments, and what they mean for the node's process."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .transport import VARIABLE
from ..inference import BACKBONE_NAMES, BACKENDS, NETWORK_NAMES, PRECISIONS
from ..taxonomies import NAMES

# What the node finds in its environment and keeps: nothing for auto, which it sets by itself.
TRANSPORTS = {'auto': '', 'receive': 'UDPv4?sockets_size=4MB', 'none': 'DEFAULT'}
LOG_LEVELS = ('debug', 'info', 'warn', 'error', 'fatal')
SWITCH = ('true', 'false')
COMPRESSED = '/compressed'


@dataclass(frozen=True)
class Argument:
    """An argument of the launch file; without choices any text will do."""

    name: str
    default: str
    description: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """How to start the node: what the launch file hands on, unchanged."""

    name: str
    namespace: str
    params_file: Path
    parameters: dict[str, str | int | bool | list[str]]
    remappings: list[tuple[str, str]]
    environment: dict[str, str]
    log_level: str
    respawn: bool
    notes: list[str]


def arguments(params_file: Path) -> tuple[Argument, ...]:
    """Return the arguments of the launch file; '' always leaves it to the params file."""
    return (
        Argument('image', 'image', 'Topic of the camera images, without /compressed.'),
        Argument('camera_info', '', 'Topic of the calibration; empty: camera_info beside image.'),
        Argument(
            'cameras',
            '',
            'Namespaces of several cameras with commas between, such as front,left; image and '
            'camera_info are names below each of them then.',
        ),
        Argument('namespace', '', 'Namespace of the node and of its topics.'),
        Argument('name', 'segmenter', 'Name of the node.'),
        Argument('params_file', str(params_file), 'YAML file with the parameters of the node.'),
        Argument('network', '', 'Network of the model.', ('', *NETWORK_NAMES)),
        Argument('backbone', '', 'Backbone of the model.', ('', *BACKBONE_NAMES)),
        Argument('dataset', '', 'Taxonomy the weights were trained for.', ('', *NAMES)),
        Argument('weights', '', 'Name of a shipped model, a model folder or a checkpoint file.'),
        Argument('backend', '', 'Runtime of the network.', ('', *BACKENDS)),
        Argument('precision', '', 'Number format inside the network.', ('', *PRECISIONS)),
        Argument('input_height', '', 'Height the network sees, in pixels; 0: the model decides.'),
        Argument('input_width', '', 'Width the network sees, in pixels; 0: the model decides.'),
        Argument('image_transport', '', 'Which images to read.', ('', 'raw', 'compressed')),
        Argument(
            'output_ids',
            '',
            'Ids to publish: as trained, of Cityscapes, or of Autoware.',
            ('', 'train_id', 'label_id', 'autoware'),
        ),
        Argument(
            'output_size',
            '',
            'Size of the outputs: of the image, or what the network sees.',
            ('', 'source', 'network'),
        ),
        Argument(
            'autostart',
            '',
            'Whether the node configures and activates itself; false: a lifecycle manager does.',
            ('', *SWITCH),
        ),
        Argument(
            'transport',
            'auto',
            f'How images travel, for Fast DDS ({VARIABLE}). auto: the node enlarges the '
            'buffers, which the nodes that publish images need as well; receive: for a camera '
            'that cannot be given that setting; none: the defaults of Fast DDS.',
            tuple(TRANSPORTS),
        ),
        Argument('log_level', 'info', 'Least severe log message to show.', LOG_LEVELS),
        Argument('respawn', 'false', 'Whether to start the node again when it died.', SWITCH),
    )


def plan(chosen: Mapping[str, str], environ: Mapping[str, str]) -> Plan:
    """
    Turn the values of all arguments into what the node's process is started with.

    :raises ValueError: when a value cannot be meant; choices are the launch file's to check.
    """
    params_file = Path(chosen['params_file']).expanduser()
    if not params_file.is_file():
        raise ValueError(
            f'params_file is {str(params_file)!r}, where no file is; expected a YAML file with '
            'parameters of the node'
        )
    image, transport = _image_topic(chosen['image'], chosen['image_transport'])
    cameras = [name.strip() for name in chosen['cameras'].split(',') if name.strip()]
    environment, notes = _environment(chosen['transport'], environ)
    return Plan(
        name=chosen['name'],
        namespace=chosen['namespace'],
        params_file=params_file,
        parameters=_parameters({**chosen, 'image_transport': transport}, cameras),
        remappings=_remappings(image, chosen['camera_info'], cameras),
        environment=environment,
        log_level=chosen['log_level'],
        respawn=chosen['respawn'] == 'true',
        notes=notes,
    )


def _image_topic(image: str, transport: str) -> tuple[str, str]:
    """Return the topic without /compressed, which people copy from topic lists, and transport."""
    base = image.removesuffix(COMPRESSED)
    if not base:
        raise ValueError(f'image is {image!r}; expected a topic such as /camera/image_raw')
    if base == image:
        return base, transport
    if transport == 'raw':
        raise ValueError(
            f'image is {image!r} but image_transport is raw; expected image:={base} for raw '
            'images, or image_transport:=compressed'
        )
    return base, 'compressed'


def _remappings(image: str, camera_info: str, cameras: list[str]) -> list[tuple[str, str]]:
    """Return the rules for all cameras; the calibration is beside the image by default."""
    folder, slash, _ = image.rpartition('/')
    # A rule matches whole names only, so the compressed topic needs its own.
    topics = {
        'image': image,
        'image' + COMPRESSED: image + COMPRESSED,
        'camera_info': camera_info or f'{folder}{slash}camera_info',
    }
    absolute = [topic for topic in topics.values() if topic.startswith('/')]
    if cameras and absolute:
        raise ValueError(
            f'image or camera_info is {absolute[0]!r}, which is one topic for {len(cameras)} '
            'cameras; expected a name below the namespace of each, such as image_raw'
        )
    prefixes = [f'{camera}/' for camera in cameras] or ['']
    return [
        (prefix + name, prefix + topic) for prefix in prefixes for name, topic in topics.items()
    ]


def _parameters(
    chosen: Mapping[str, str], cameras: list[str]
) -> dict[str, str | int | bool | list[str]]:
    """Return the parameters that were chosen, in the types that the node declares."""
    texts = (
        'network', 'backbone', 'dataset', 'weights', 'backend', 'precision', 'output_ids',
        'output_size',
    )  # fmt: skip
    parameters: dict[str, str | int | bool | list[str]] = {
        name: chosen[name] for name in (*texts, 'image_transport') if chosen[name]
    }
    for name in ('input_height', 'input_width'):
        if not chosen[name]:
            continue
        if not chosen[name].isdecimal():
            raise ValueError(
                f'{name} is {chosen[name]!r}; expected a whole number of pixels, such as 512'
            )
        parameters[name] = int(chosen[name])
    if chosen['autostart']:
        parameters['autostart'] = chosen['autostart'] == 'true'
    if cameras:
        parameters['cameras'] = cameras
    return parameters


def _environment(transport: str, environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the environment to add for a transport, and lines for the log about it."""
    value = TRANSPORTS[transport]
    if not value:
        return {}, []
    if VARIABLE in environ:
        kept = f'{VARIABLE}={environ[VARIABLE]}'
        return {}, [f'{kept} was set before and is kept: transport:={transport} does nothing']
    return {VARIABLE: value}, [f'{VARIABLE}={value} (transport:={transport})']
