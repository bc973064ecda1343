"""Build and install the package, with colcon as well as with pip."""

from pathlib import Path
import re

from setuptools import Distribution, find_packages, setup

NAME = 'sfnet_ros'
ROOT = Path(__file__).resolve().parent
COMMANDS = {
    'segmenter': 'sfnet_ros.ros.start:main',
    'sfnet': 'sfnet_ros.cli:main',
    'sfnet_play': 'sfnet_ros.ros.player:main',
}


class DataDistribution(Distribution):
    """
    Makes `pip install -e .` install data_files too, without which ROS cannot find the package.

    setuptools means to, but asks its distribution for `has_data`, and the name there is
    `has_data_files`. They are copies: install again after a change of launch/, config/, models/.
    """

    def has_data(self) -> bool:
        """Return whether there are data_files."""
        return self.has_data_files()


def version() -> str:
    """Return the version, which is written in one place, sfnet_ros/__init__.py."""
    text = (ROOT / NAME / '__init__.py').read_text(encoding='utf-8')
    match = re.search(r"^__version__ = '(.+)'$", text, re.MULTILINE)
    if match is None:
        raise ValueError(f"found no line __version__ = '...' in {NAME}/__init__.py; add one")
    return match[1]


def tree(folder: str) -> list[tuple[str, list[str]]]:
    """Return data_files entries that copy a folder with its sub-folders below share/."""
    files: dict[str, list[str]] = {}
    for path in sorted(ROOT.joinpath(folder).rglob('*')):
        if path.is_file() and '__pycache__' not in path.parts:
            relative = path.relative_to(ROOT)
            files.setdefault(f'share/{NAME}/{relative.parent}', []).append(str(relative))
    return list(files.items())


def pinned_ros() -> list[str]:
    """Return the pinned requirements of ROS 2 from pip, for machines without ROS."""
    lines = (ROOT / 'requirements' / 'kilted.txt').read_text(encoding='utf-8').splitlines()
    pins = [line for line in lines if line and not line.startswith('#')]
    return [pin.replace('ros-rclpy==', 'ros-rclpy[fastrtps]==') for pin in pins]


setup(
    name=NAME,
    distclass=DataDistribution,
    version=version(),
    description='Semantic segmentation with SFNet, SFNet-Lite and SRNet for ROS 2',
    license='Apache-2.0',
    maintainer='The sfnet_ros developers',
    maintainer_email='maintainers@sfnet-ros.invalid',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={
        'sfnet_ros.evaluation': ['page.css', 'page.js'],
        'sfnet_ros.inference': ['parity.jpg'],
        'sfnet_ros.taxonomies': ['*.csv'],
    },
    python_requires='>=3.10',
    # No OpenCV and no upper bound on numpy here: on a machine with ROS from apt both are there,
    # and a second OpenCV from pip would bring a numpy that apt's cv_bridge crashes with.
    install_requires=['numpy>=1.21', 'PyYAML', 'safetensors', 'torch>=2.0', 'tqdm'],
    extras_require={
        'bags': ['rosbags>=0.11'],
        'cluster': ['distributed'],
        # Only for making the int8 file; apart, because it bounds the version of numpy.
        'int8': ['nncf>=3.0', 'openvino>=2025.0', 'onnx>=1.17', 'onnxruntime>=1.20'],
        # The compiled last step and warp; apart, because it bounds the version of numpy.
        'numba': ['numba>=0.59'],
        'openvino': ['openvino>=2025.0', 'onnx>=1.17'],
        'opencv': ['opencv-python-headless>=4.5'],
        'ros': pinned_ros(),
        'tensorboard': ['tensorboard'],
        'test': ['pytest', 'pytest-timeout', 'scikit-learn'],
    },
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        *tree('launch'),
        *tree('config'),
        *tree('models'),
        # The commands themselves land in bin/, on the PATH. ROS looks in lib/sfnet_ros: these
        # launchers there make both ways work, and the same after pip and after colcon.
        (f'lib/{NAME}', [f'resource/launchers/{command}' for command in COMMANDS]),
    ],
    entry_points={
        'console_scripts': [f'{command} = {target}' for command, target in COMMANDS.items()]
    },
    zip_safe=True,
)
