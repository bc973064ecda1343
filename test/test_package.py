"""The package as it is installed: with colcon and with pip, found by ROS and on the PATH."""

from collections.abc import Callable
from dataclasses import dataclass
import importlib
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import xml.etree.ElementTree as ElementTree

import pytest
import sfnet_ros

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ('segmenter', 'sfnet', 'sfnet_play')
NOT_SOURCES = ('.*', 'build', 'install', 'log', 'runs', 'demo_out', 'test', '*.egg-info')


def run(command: list[str], cwd: Path, **environ: str) -> str:
    """Run a command and return what it printed; fail with that when it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        # Without the checkout on PYTHONPATH, which would hide what is installed.
        env={**os.environ, 'PYTHONPATH': '', **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Return a copy of the package, because builds write beside what they build."""
    ignore = shutil.ignore_patterns(*NOT_SOURCES, '__pycache__')
    return Path(shutil.copytree(ROOT, tmp_path / 'ws' / 'src' / 'sfnet_ros', ignore=ignore))


@dataclass
class Installation:
    """Where the package went, and what a user puts before a command there."""

    prefix: Path
    before: list[str]


def colcon(sources: Path, *options: str) -> Installation:
    """Build with colcon."""
    workspace = sources.parents[1]
    main = 'import sys; from colcon_core.command import main; sys.exit(main())'
    build = [sys.executable, '-c', main, 'build', '--packages-select', 'sfnet_ros', *options]
    run(build, workspace, COLCON_LOG_PATH=str(workspace / 'log'))
    setup = f'. {workspace}/install/setup.bash && exec "$@"'
    return Installation(workspace / 'install' / 'sfnet_ros', ['bash', '-c', setup, 'bash'])


def pip(sources: Path, *options: str) -> Installation:
    """Install with pip into a new virtual environment that sees the packages of this one."""
    pytest.importorskip('pip', reason='this Python has no pip')
    prefix = sources.parents[2] / 'venv'
    venv.create(prefix, with_pip=False)
    python = str(prefix / 'bin' / 'python')
    library = run([python, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'], ROOT)
    Path(library.strip(), 'outer.pth').write_text(sysconfig.get_path('purelib') + '\n')
    install = [sys.executable, '-m', 'pip', '--python', python, 'install', '--no-index']
    run([*install, '--no-deps', '--no-build-isolation', *options, str(sources)], sources)
    return Installation(prefix, [])


INSTALLERS = {
    'colcon build': lambda sources: colcon(sources),
    'colcon build --symlink-install': lambda sources: colcon(sources, '--symlink-install'),
    'pip install .': lambda sources: pip(sources),
    'pip install -e .': lambda sources: pip(sources, '--editable'),
}


@pytest.mark.slow
@pytest.mark.parametrize('install', INSTALLERS.values(), ids=INSTALLERS.keys())
def test_ros_finds_the_installed_package(
    sources: Path, install: Callable[[Path], Installation], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = pytest.importorskip('ament_index_python.packages')
    installed = install(sources)
    prefix = installed.prefix
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(prefix), prepend=os.pathsep)

    assert index.get_package_prefix('sfnet_ros') == str(prefix)
    share = Path(index.get_package_share_directory('sfnet_ros'))
    for folder in ('launch', 'config', 'models'):
        files = [path.relative_to(sources) for path in sources.joinpath(folder).rglob('*.*')]
        assert files
        assert [path for path in files if not share.joinpath(path).is_file()] == []
    assert share.joinpath('package.xml').read_text() == (ROOT / 'package.xml').read_text()

    # ros2 run and ros2 launch look for executable files in lib/sfnet_ros.
    executables = prefix / 'lib' / 'sfnet_ros'
    assert {path.name for path in executables.iterdir()} == set(COMMANDS)
    for folder in (executables, prefix / 'bin'):
        printed = run([*installed.before, str(folder / 'sfnet'), '--help'], prefix)
        assert 'usage: sfnet' in printed


def test_every_launcher_belongs_to_a_command_that_exists() -> None:
    setup = (ROOT / 'setup.py').read_text()
    targets = re.findall(r"'(\w+)': '([\w.]+):(\w+)'", setup)
    assert {command for command, _, _ in targets} == set(COMMANDS)
    assert {path.name for path in (ROOT / 'resource' / 'launchers').iterdir()} == set(COMMANDS)
    for _, module, function in targets:
        assert callable(getattr(importlib.import_module(module), function))


def test_every_folder_of_the_package_is_a_package() -> None:
    folders = {path.parent for path in ROOT.joinpath('sfnet_ros').rglob('*.py')}
    assert [folder for folder in folders if not folder.joinpath('__init__.py').is_file()] == []


def test_the_version_is_the_same_everywhere() -> None:
    version = sfnet_ros.__version__
    assert ElementTree.parse(ROOT / 'package.xml').findtext('version') == version
    assert f'\n{version} ' in (ROOT / 'CHANGELOG.rst').read_text()
    printed = run([sys.executable, 'setup.py', '--version'], ROOT)
    assert printed.splitlines()[-1] == version


def test_package_xml_names_what_the_code_imports() -> None:
    manifest = ElementTree.parse(ROOT / 'package.xml')
    depends = {element.text for element in manifest.iter('exec_depend')}
    imported = {
        match
        for path in [*ROOT.joinpath('sfnet_ros').rglob('*.py'), *ROOT.glob('launch/*.py')]
        for match in re.findall(
            r'^\s*(?:from|import) (rclpy|\w+_msgs|rcl_interfaces|launch|launch_ros|cv_bridge)\b',
            path.read_text(),
            re.MULTILINE,
        )
    }
    assert 'launch_ros' in imported
    assert imported <= depends
    assert manifest.findtext('export/build_type') == 'ament_python'


@pytest.mark.parametrize('name', ['kilted.txt', 'run.txt', 'test.txt'])
def test_every_requirement_is_pinned(name: str) -> None:
    def lines(file: str) -> list[str]:
        text = (ROOT / 'requirements' / file).read_text()
        return [line for line in text.splitlines() if line and line[0] not in '#-']

    pinned = {line.split('==')[0] for line in lines('kilted.txt')}
    loose = [line.split('[')[0] for line in lines(name) if '==' not in line]
    assert [line for line in loose if line not in pinned] == []
