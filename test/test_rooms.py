"""Hold the map of rooms: which folder of the package may import what."""

import ast
from collections.abc import Iterator
from pathlib import Path
import subprocess
import sys

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / 'sfnet_ros'

# Room: the rooms of ours that it may import, beside itself.
ROOMS = {
    'errors': set(),
    'taxonomies': {'errors'},
    # Its errors are all that the networks know of the rest: tensors in, logits out.
    'networks': {'errors'},
    'scenes': {'errors', 'taxonomies'},
    'inference': {'errors', 'taxonomies', 'networks'},
    'evaluation': {'errors', 'taxonomies', 'inference'},
    'training': {'errors', 'taxonomies', 'networks', 'inference', 'evaluation', 'scenes'},
    'ros': {'errors', 'taxonomies', 'inference'},
    'cli': {
        'errors', 'taxonomies', 'networks', 'inference', 'evaluation', 'training', 'scenes',
    },
}  # fmt: skip
# Single files that may import more than their room.
MORE = {
    'ros/player.py': {'evaluation'},
    'ros/demo.py': {'evaluation', 'scenes'},
    'ros/online.py': {'evaluation'},
}
# The only files of `inference` that know PyTorch and our networks: what builds, reads, converts.
TORCH_FILES = {
    'inference/graph.py',
    'inference/export.py',
    'inference/halves.py',
    'inference/checkpoints.py',
    'inference/importing.py',
    'inference/backends/torch.py',
    'inference/backends/torch_recording.py',
}
TORCH_ROOMS = {'networks', 'training', 'cli'}
LAUNCH = {'launch', 'launch_ros', 'launch_testing'}


def imports(path: Path, package: Path) -> Iterator[tuple[int, str]]:
    """Yield line number and absolute dotted name of everything that a file imports."""
    parents = [package.name, *path.relative_to(package).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parents[: len(parents) - node.level + 1] if node.level else []
            origin = '.'.join([*base, *([node.module] if node.module else [])])
            # `from .. import errors` names its room only in the alias.
            if origin == package.name:
                yield from ((node.lineno, f'{origin}.{alias.name}') for alias in node.names)
            else:
                yield node.lineno, origin


def forbidden(name: str, file: str, package: str) -> str:
    """Return why a file may not import a name, or ''."""
    room = file.split('/')[0].removesuffix('.py')
    top, _, rest = name.partition('.')
    if top == package:
        other = rest.split('.')[0]
        if other not in ROOMS or other == room:
            return ''
        if other not in ROOMS[room] | MORE.get(file, set()):
            return f'{room} does not import {other}'
        if room == 'inference' and other == 'networks' and file not in TORCH_FILES:
            return f'of inference only {sorted(TORCH_FILES)} import networks'
    if top == 'torch' and room not in TORCH_ROOMS and file not in TORCH_FILES:
        return f'torch is for {sorted(TORCH_ROOMS)} and {sorted(TORCH_FILES)}'
    if (top == 'rclpy' or top.endswith('_msgs')) and room != 'ros':
        return 'ROS is for ros'
    if top in LAUNCH:
        return 'launch is for the launch files'
    if top.startswith('tensorrt'):
        return 'only inference/backends/engines.py imports tensorrt, after a GPU was found'
    if top == 'numba' and not file.startswith('inference/kernels/'):
        return 'numba is for inference/kernels'
    return ''


def breaches(package: Path) -> list[str]:
    """Return a line for every import that the map forbids."""
    return [
        f'{file}:{line}: imports {name}: {reason}'
        for path in sorted(package.rglob('*.py'))
        if (file := path.relative_to(package).as_posix()) != '__init__.py'
        for line, name in imports(path, package)
        if (reason := forbidden(name, file, package.name))
    ]


def test_every_import_keeps_to_the_map() -> None:
    assert breaches(PACKAGE) == []


def test_every_module_has_a_room() -> None:
    found = {path.stem for path in PACKAGE.iterdir() if path.suffix == '.py' or path.is_dir()}
    assert found - {'__init__', '__pycache__', '__main__'} <= set(ROOMS)


@pytest.mark.parametrize(
    ('file', 'line', 'reason'),
    [
        ('networks/a.py', 'from .. import taxonomies', 'networks does not import taxonomies'),
        ('errors.py', 'from . import taxonomies', 'errors does not import taxonomies'),
        ('inference/b.py', 'from ..networks.layers import x', 'import networks'),
        ('inference/b.py', 'import torch.nn', 'torch is for'),
        ('ros/c.py', 'def f():\n    import torch', 'torch is for'),
        ('ros/c.py', 'from ..evaluation.frames import x', 'ros does not import evaluation'),
        ('cli/d.py', 'from sfnet_ros.ros import segmenter', 'cli does not import ros'),
        ('evaluation/e.py', 'from sensor_msgs.msg import Image', 'ROS is for ros'),
        ('inference/backends/f.py', 'import tensorrt_rtx', 'imports tensorrt'),
        ('inference/tail.py', 'from numba import njit', 'numba is for'),
        ('ros/g.py', 'from launch_ros.actions import Node', 'launch is for'),
    ],
)
def test_a_breach_is_found(tmp_path: Path, file: str, line: str, reason: str) -> None:
    path = tmp_path / 'sfnet_ros' / file
    path.parent.mkdir(parents=True)
    path.write_text(line)
    found = breaches(tmp_path / 'sfnet_ros')
    assert len(found) == 1
    assert reason in found[0]


@pytest.mark.parametrize(
    ('file', 'line'),
    [
        ('ros/player.py', 'from ..evaluation.frames import open_frames'),
        ('ros/demo.py', 'from ..scenes import Street'),
        ('inference/graph.py', 'import torch\nfrom ..networks import NETWORKS'),
        ('inference/backends/torch.py', 'import torch'),
        ('inference/kernels/a.py', 'import numba'),
        ('training/a.py', 'import torch\nfrom ..inference import load'),
        ('ros/segmenter.py', 'import rclpy\nfrom . import messages'),
    ],
)
def test_what_the_map_allows_is_no_breach(tmp_path: Path, file: str, line: str) -> None:
    path = tmp_path / 'sfnet_ros' / file
    path.parent.mkdir(parents=True)
    path.write_text(line)
    assert breaches(tmp_path / 'sfnet_ros') == []


def test_launching_needs_neither_ros_nor_torch() -> None:
    # In a fresh interpreter: other tests of this run have imported both.
    code = (
        'import sys, sfnet_ros.ros.launching; '
        "print([name for name in ('rclpy', 'launch', 'torch') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, cwd=PACKAGE.parent
    )
    assert (done.stdout, done.stderr) == ('[]\n', '')
