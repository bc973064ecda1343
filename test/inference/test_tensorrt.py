"""The TensorRT backend where there is no GPU: all up to the engine, and what is refused."""

from collections.abc import Callable
from pathlib import Path
import shlex
import subprocess
import sys
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from sfnet_ros import cli, inference
from sfnet_ros.errors import BackendError, EngineMissingError
from sfnet_ros.inference import choose_model, cuda, parity
from sfnet_ros.inference.backends import tensorrt as backend
from sfnet_ros.inference.backends.tensorrt import TensorRTBackend
from sfnet_ros.inference.backends.tensorrt_files import quantise
from sfnet_ros.scenes import Street


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch, tensorrt: Any) -> None:
    """Pretend that a GPU was found, so that what comes before its first use can be tested."""
    if cuda.has_device_file():
        pytest.skip('there is a real GPU, which the contract of the backends is tested on')
    monkeypatch.setattr(backend, 'find_device', lambda: cuda.Device('Test', '8.6', 8000))
    monkeypatch.setattr(inference, 'has_device_file', lambda: True)
    monkeypatch.setattr(backend, 'find_library', lambda: tensorrt)


@pytest.mark.usefixtures('device')
def test_an_engine_is_built_once_and_kept(model_folder: Path, cache: Path) -> None:
    choice = choose_model(str(model_folder))
    told: list[float] = []
    before = set(cache.glob('*.plan'))
    # The driver that is missing stops it where the engine would be loaded.
    with pytest.raises(BackendError, match=r'not its driver'):
        TensorRTBackend(choice, 'fp16', '', progress=lambda phase, share: told.append(share))
    (plan,) = set(cache.glob('*.plan')) - before
    assert told[-1] == 1
    assert plan.stat().st_mode & 0o77 == 0 or cache.stat().st_mode & 0o777 == 0o700
    written, whole = plan.stat().st_mtime_ns, plan.read_bytes()
    told.clear()
    with pytest.raises(BackendError, match=r'not its driver'):
        TensorRTBackend(choice, 'fp16', '', progress=lambda phase, share: told.append(share))
    assert told == [] and plan.stat().st_mtime_ns == written
    plan.write_bytes(whole[:-1])
    with pytest.raises(BackendError, match=r'not its driver'):
        TensorRTBackend(choice, 'fp16', '')
    assert len(plan.read_bytes()) == len(whole), 'what is damaged is built anew'
    with pytest.raises(BackendError, match=r'not its driver'):
        TensorRTBackend(choice, 'fp16', '', batch=2)
    assert len(set(cache.glob('*.plan')) - before) == 2, 'one for several images is another one'


@pytest.mark.usefixtures('device')
def test_a_damaged_model_is_exported_anew_for_the_engine(
    make_model: Callable[..., Path], cache: Path
) -> None:
    choice = choose_model(str(make_model('torn', mean=(0.3, 0.2, 0.1))))
    before = set(cache.glob('*'))
    with pytest.raises(BackendError, match=r'not its driver'):
        TensorRTBackend(choice, 'fp32', '')
    made = set(cache.glob('*')) - before
    (model,) = (path for path in made if path.suffix == '.onnx')
    (plan,) = (path for path in made if path.suffix == '.plan')
    plan.unlink()
    model.write_bytes(model.read_bytes()[:-1000])
    with pytest.raises(BackendError, match=r'not its driver'):
        TensorRTBackend(choice, 'fp32', '')
    assert plan.exists()


@pytest.mark.usefixtures('device')
def test_an_engine_that_the_cache_has_no_room_for_is_built_once(
    make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    choice = choose_model(str(make_model('homeless', mean=(0.7, 0.5, 0.4))))
    monkeypatch.setenv('SFNET_CACHE_DIR', str(tmp_path / 'full'))
    write, told, written = backend.write_plan, [], []

    def write_elsewhere(path: Path, plan: bytes, made_for: dict[str, str]) -> None:
        if tmp_path in path.parents:
            raise OSError(28, 'No space left on device')
        written.append(path)
        write(path, plan, made_for)

    monkeypatch.setattr(backend, 'write_plan', write_elsewhere)
    with pytest.raises(BackendError, match=r'not its driver'):
        TensorRTBackend(choice, 'fp32', '', progress=lambda phase, share: told.append(phase))
    assert len(written) == 1 and told.count('engine built') == 1


class OnnxEngine:
    """Runs what an engine was to be built of by ONNX Runtime: all of the backend but the GPU."""

    what = 'in ONNX Runtime'
    memory_mb = 0.0

    def __init__(self, library: Any, plan: bytes, batch: int) -> None:
        self._session = onnxruntime.InferenceSession(plan)
        self._batch = batch
        self.counts: list[int] = []

    def run(self, images: np.ndarray, wanted: set[str]) -> dict[str, np.ndarray]:
        assert 1 <= len(images) <= self._batch
        self.counts.append(len(images))
        names = [value.name for value in self._session.get_outputs() if value.name in wanted]
        results = self._session.run(names, {'images': images})
        return dict(zip(names, results, strict=True))

    def close(self) -> None:
        del self._session


@pytest.fixture
def without_a_gpu(monkeypatch: pytest.MonkeyPatch, device: None) -> None:
    """Let ONNX Runtime do what the GPU is for."""
    monkeypatch.setattr(backend, 'build_engine', lambda library, model, *_: model.read_bytes())
    monkeypatch.setattr(backend, 'Engine', OnnxEngine)


@pytest.mark.usefixtures('without_a_gpu')
def test_images_go_through_an_engine_in_turns(
    make_model: Callable[..., Path], picture: np.ndarray
) -> None:
    """Five of them through an engine for two: ids, confidence and flow as of PyTorch."""
    choice = choose_model(str(make_model('turns')))
    loaded = TensorRTBackend(choice, 'fp32', '', batch=2)
    assert loaded.batches and 'in ONNX Runtime' in loaded.reason
    assert not TensorRTBackend(choice, 'fp32', '').batches
    true = inference.load(str(choice.weights.parent), backend='torch', precision='fp32')
    for height, width in ((64, 128), (50, 90)):
        images = np.stack([picture[40 * n :, 60 * n :][:height, :width] for n in range(5)])
        loaded._engine.counts.clear()
        found = loaded.predict(images, confidence=True, flow=True)
        assert loaded._engine.counts == [2, 2, 1]
        expected = true.predict(images, confidence=True, flow=True)
        assert np.mean(found.ids == expected.ids) > 0.999
        assert found.confidence is not None and expected.confidence is not None
        assert np.abs(found.confidence.astype(int) - expected.confidence).mean() < 0.1
        assert found.flow is not None and expected.flow is not None
        assert found.flow.shape == (5, 16, 32, 2)
        assert np.abs(found.flow - expected.flow).max() < 1e-3


@pytest.mark.usefixtures('without_a_gpu')
def test_an_engine_that_cannot_be_kept_is_told(
    make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # The temporary folder that it is kept in instead is that of the whole process.
    choice = choose_model(str(make_model('unkept', mean=(0.6, 0.5, 0.4))))
    (tmp_path / 'file').touch()
    monkeypatch.setenv('SFNET_CACHE_DIR', str(tmp_path / 'file' / 'cache'))
    reason = TensorRTBackend(choice, 'fp32', '').reason
    assert f'the cache folder {tmp_path}/file/cache cannot be written' in reason


@pytest.mark.usefixtures('without_a_gpu')
def test_int8_is_made_by_the_command_that_the_refusal_names(
    make_model: Callable[..., Path], tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('nncf')
    choice = choose_model(str(make_model('eight')))
    with pytest.raises(
        BackendError, match='found no whole int8 file of eight at 64x128'
    ) as refusal:
        TensorRTBackend(choice, 'int8', '')
    command = shlex.split(str(refusal.value).split('with: ')[1])
    assert command[:3] == ['sfnet', 'export', '--tensorrt']
    for seed in range(2):
        cv2.imwrite(str(tmp_path / f'{seed}.png'), Street(seed).render(64, 128, 1.0).image)
    command[command.index('SOURCE')] = str(tmp_path)
    # Random weights make classes nearly equal, so that 8 bits are too few: checked and refused.
    assert cli.main(command[1:]) == 1
    with pytest.raises(BackendError, match=r'expected 99.0%\).* quantise with other images'):
        TensorRTBackend(choice, 'int8', '')
    monkeypatch.setattr(parity, 'LEAST_AGREEMENT_INT8', 0.3)
    loaded = TensorRTBackend(choice, 'int8', '')
    assert loaded.precision == 'int8' and 'int8 agrees with fp32 of PyTorch on' in loaded.reason
    before = set(cache.glob('*.plan'))
    quantise(choice, [np.zeros((1, 64, 128, 3), np.uint8)])
    with pytest.raises(EngineMissingError):
        TensorRTBackend(choice, 'int8', '', build=False)
    assert set(cache.glob('*.plan')) == before


@pytest.mark.usefixtures('device')
def test_auto_passes_over_an_engine_that_is_not_built(make_model: Callable[..., Path]) -> None:
    folder = str(make_model('unbuilt', mean=(0.2, 0.3, 0.4)))
    loaded = inference.load(folder, build=False)
    assert loaded.provisional and loaded.name == 'openvino'
    assert 'the engine of tensorrt in fp16 is not built yet: sfnet export' in loaded.reason
    assert 'PyTorch cannot use the GPU here' in loaded.reason
    with pytest.raises(EngineMissingError, match='sfnet export --tensorrt --batch 3 does it'):
        TensorRTBackend(choose_model(folder), 'auto', '', build=False, batch=3)
    with pytest.raises(BackendError, match='not its driver'):
        inference.load(folder, backend='tensorrt', build=False)


@pytest.mark.usefixtures('device')
def test_auto_says_why_tensorrt_is_not_used(model_folder: Path) -> None:
    loaded = inference.load(str(model_folder))
    assert loaded.name == 'openvino' and not loaded.provisional
    assert 'there is an NVIDIA GPU, but not its driver' in loaded.reason
    with pytest.raises(BackendError, match='has no precision bf16; expected auto, fp16, fp32'):
        inference.load(str(model_folder), backend='tensorrt', precision='bf16')


def test_an_engine_that_cannot_be_loaded_is_refused(
    monkeypatch: pytest.MonkeyPatch, tensorrt: Any
) -> None:
    """Without a driver the real runtime gives None, as where the memory is exhausted."""
    if cuda.has_device_file():
        pytest.skip('there is a real GPU')
    monkeypatch.setattr(backend, 'free_memory_mb', lambda: 12)
    engine = backend.Engine.__new__(backend.Engine)
    with pytest.raises(
        BackendError, match=r'cannot load the engine \(.*CUDA driver.*12 MiB of the memory'
    ):
        engine._load(tensorrt, b'no plan')


_BUILD = """
import sys
from importlib import import_module
from sfnet_ros.errors import BackendError
from sfnet_ros.inference import choose_model, cuda, parity
from sfnet_ros.inference.backends import tensorrt as backend
backend.find_device = lambda: cuda.Device('Test', '8.6', 8000)
backend.find_library = lambda: import_module(sys.argv[2])
built = []
try:
    backend.TensorRTBackend(
        choose_model(sys.argv[1]), 'fp32', '', progress=lambda phase, share: built.append(share)
    )
except BackendError as error:
    print(error, len(built) > 0)
"""


def test_two_processes_build_one_engine(
    make_model: Callable[..., Path], tensorrt: Any, cache: Path
) -> None:
    if cuda.has_device_file():
        pytest.skip('there is a real GPU')
    before = set(cache.glob('*.plan'))
    # A size of its own: another test of this process may have left a plan for the usual one.
    model = make_model('raced', input_height=96)
    command = [sys.executable, '-c', _BUILD, str(model), tensorrt.__name__]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert all('not its driver' in answer for answer in answers)
    assert sorted(answer.rpartition(' ')[2] for answer in answers) == ['False', 'True']
    assert len(set(cache.glob('*.plan')) - before) == 1
    assert not list(cache.glob('.*.plan.*'))
