"""Engines of TensorRT: the library, the builder, and the file that a plan is kept in."""

from collections.abc import Iterator
from itertools import pairwise
import os
from pathlib import Path
import signal
import subprocess
import sys
from typing import Any

import pytest
from sfnet_ros.errors import BackendError
from sfnet_ros.inference.backends import engines
from sfnet_ros.inference.backends.engines import build_engine, read_plan, write_plan
from sfnet_ros.inference.cuda import Device
from sfnet_ros.inference.export import export_onnx
from sfnet_ros.inference.graph import SegmentationGraph
from sfnet_ros.networks import create_network

MADE_FOR = {'runtime': 'tensorrt', 'version': '10.13.3', 'device': 'Orin', 'capability': '8.7'}


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('model') / 'graph.onnx'
    network = create_network('sfnet_lite', 'stdc1').eval()
    graph = SegmentationGraph(network, (0.5,) * 3, (0.25,) * 3, (64, 128), bgr=True)
    export_onnx(graph, path, outputs=('ids', 'logits', 'flow'), batch=None, precision='fp16')
    return path


def test_progress_comes_while_an_engine_is_built(tensorrt: Any, model: Path) -> None:
    told: list[tuple[str, float]] = []
    build_engine(tensorrt, model, 64, lambda phase, share: told.append((phase, share)))
    phases, shares = zip(*told, strict=True)
    assert len(set(phases)) > 5
    assert min(shares) >= 0 and max(shares) == 1
    # Phases within phases: the share is of the whole, and does not start anew with each.
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(shares))


def test_a_tensorrt_that_does_not_start_is_told(
    tensorrt: Any, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bindings raise TypeError for a builder that is none; no logger makes them do so here."""
    monkeypatch.setattr(tensorrt, 'Builder', lambda log: tensorrt.Runtime(None))
    with pytest.raises(BackendError, match=r'does not start \(.*; expected a driver for the CUDA'):
        build_engine(tensorrt, model)


@pytest.fixture
def interruptible() -> Iterator[Any]:
    """Handle SIGINT as Python does by itself, also where these tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_a_build_is_ended_by_ctrl_c(tensorrt: Any, model: Path, interruptible: Any) -> None:
    """Wherever it comes: TensorRT would print what is raised where it calls back, and go on."""
    told: list[str] = []

    def interrupt(phase: str, share: float) -> None:
        told.append(phase)
        if len(told) == 1:
            # From elsewhere, so that it comes between two of these calls and not in one.
            subprocess.run(['kill', '-INT', str(os.getpid())], check=True)

    with pytest.raises(KeyboardInterrupt):
        build_engine(tensorrt, model, 64, interrupt)
    assert len(told) < 100 and signal.getsignal(signal.SIGINT) is interruptible


def test_progress_that_cannot_be_shown_ends_a_build(tensorrt: Any, model: Path) -> None:
    def fail(phase: str, share: float) -> None:
        raise BrokenPipeError(phase)

    with pytest.raises(BrokenPipeError):
        build_engine(tensorrt, model, 64, fail)


@pytest.mark.parametrize(('batch', 'count'), [(1, 1), (3, -1)])
def test_an_engine_is_for_one_image_or_up_to_some(
    tensorrt: Any, model: Path, batch: int, count: int
) -> None:
    """What the real network says of its outputs: for one image every size is fixed."""
    builder = tensorrt.Builder(engines.logger(tensorrt))
    network = builder.create_network(
        1 << int(tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    )
    parser = tensorrt.OnnxParser(network, engines.logger(tensorrt))
    assert parser.parse_from_file(str(model))
    configuration = builder.create_builder_config()
    engines._limit_batch(builder, network, configuration, batch)
    sizes = {(o := network.get_output(at)).name: tuple(o.shape) for at in range(3)}
    assert sizes['ids'] == (count, 64, 128) and sizes['logits'] == (count, 16, 32, 19)
    assert configuration.num_optimization_profiles == (batch > 1)
    assert builder.build_serialized_network(network, configuration) is not None


def test_a_file_that_is_no_model_is_refused(tensorrt: Any, model: Path, tmp_path: Path) -> None:
    (tmp_path / 'half.onnx').write_bytes(model.read_bytes()[: model.stat().st_size // 2])
    with pytest.raises(BackendError, match=r'tensorrt_rtx\S* .* cannot read the exported model'):
        build_engine(tensorrt, tmp_path / 'half.onnx')


def test_a_plan_comes_back_as_it_was_written(tmp_path: Path) -> None:
    plan = bytes(range(256)) * 100
    write_plan(tmp_path / 'plan', plan, MADE_FOR)
    assert read_plan(tmp_path / 'plan', MADE_FOR) == plan


@pytest.mark.parametrize('key', MADE_FOR)
def test_a_plan_of_another_machine_is_refused(tmp_path: Path, key: str) -> None:
    write_plan(tmp_path / 'plan', b'plan', MADE_FOR)
    with pytest.raises(BackendError, match=f"has {key} '{MADE_FOR[key]}', expected 'other'.*del"):
        read_plan(tmp_path / 'plan', MADE_FOR | {key: 'other'})


@pytest.mark.parametrize('place', [0, 5, 200, -1])
def test_a_damaged_plan_is_refused(tmp_path: Path, place: int) -> None:
    path = tmp_path / 'plan'
    write_plan(path, bytes(1000), MADE_FOR)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(BackendError, match=r'expected .* it is damaged or of another machine'):
        read_plan(path, MADE_FOR)
    path.write_bytes(content[:100])
    with pytest.raises(BackendError, match='damaged'):
        read_plan(path, MADE_FOR)
    path.write_bytes(b'')
    with pytest.raises(BackendError, match='damaged'):
        read_plan(path, MADE_FOR)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    """Let a package ``tensorrt`` with this content be the only one that is found."""
    (folder / 'tensorrt.py').write_text(content)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, 'tensorrt', raising=False)
    monkeypatch.setattr(engines, 'LIBRARIES', ('tensorrt',))


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (
            "__version__ = '8.6.2'",
            'version 8.6.2; expected 10.3 or newer: pip install',
        ),
        ("__version__ = '10.2.0.post1'", 'tensorrt is version 10.2.0.post1; expected 10.3'),
        ('', 'tensorrt is version unknown; expected 10.3 or newer'),
        (
            "raise OSError('libnvinfer.so.10: no such file')",
            'cannot be imported .libnvinfer',
        ),
    ],
)
def test_a_library_that_is_broken_or_too_old_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, message: str
) -> None:
    install(tmp_path, monkeypatch, content)
    with pytest.raises(BackendError, match=message):
        engines.find_library()


@pytest.mark.parametrize('content', ["__version__ = '8.6.2'", 'raise OSError'])
def test_a_library_that_does_not_work_does_not_hide_the_next(
    tmp_path: Path, tensorrt: Any, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    install(tmp_path, monkeypatch, content)
    monkeypatch.setattr(engines, 'LIBRARIES', ('tensorrt', tensorrt.__name__))
    assert engines.find_library() is tensorrt


def test_without_a_library_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, 'LIBRARIES', ('no_such_library',))
    assert engines.installed() == []
    with pytest.raises(BackendError, match='TensorRT is not installed: pip install tensorrt'):
        engines.find_library()


def test_the_library_that_is_installed_is_found(
    tensorrt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, 'LIBRARIES', engines.LIBRARIES[1:])
    library = engines.find_library()
    assert 'tensorrt_rtx' in library.__name__
    made_for = engines.identity(library, Device('Orin', '8.7', 1000))
    assert made_for['version'] == library.__version__ and made_for['capability'] == '8.7'
