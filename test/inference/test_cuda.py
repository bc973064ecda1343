"""The CUDA driver, as far as a machine without one can tell."""

import ctypes
from pathlib import Path
import subprocess
import sys

import pytest
from sfnet_ros.errors import BackendError
from sfnet_ros.inference import cuda


def has_driver() -> bool:
    try:
        ctypes.CDLL(cuda.DRIVER)
    except OSError:
        return False
    return True


def test_without_a_device_file_nothing_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda, 'DEVICE_FILES', (str(tmp_path / 'nvidia'),))
    # Loading it would raise another error.
    monkeypatch.setattr(cuda, 'DRIVER', '/dev/null')
    assert not cuda.has_device_file()
    with pytest.raises(BackendError, match=r'found no NVIDIA GPU; expected one of .*nvidia: inst'):
        cuda.find_device()


@pytest.mark.skipif(has_driver(), reason='the driver of NVIDIA is here')
def test_a_device_without_a_driver_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'nvidia').touch()
    monkeypatch.setattr(cuda, 'DEVICE_FILES', (str(tmp_path / 'nvidia'),))
    assert cuda.has_device_file()
    with pytest.raises(BackendError, match=r'not its driver \(libcuda.so.1: .*gpus all'):
        cuda.find_device()


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (('cuInit', 0), r'the NVIDIA driver has no cuInit; expected .* CUDA 11.4 .*: update it'),
        (('abs', 2), r'the memory of the GPU is exhausted; close what else'),
        (('abs', 100), r'the NVIDIA driver knows no GPU; expected one: .*CUDA_VISIBLE_DEVICES'),
    ],
)
def test_what_the_driver_answers_is_told(
    call: tuple[str, int], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a library that has no function of it, and one that returns what it is given."""
    library = ctypes.CDLL(None)
    monkeypatch.setattr(cuda, '_driver', lambda: library)
    with pytest.raises(BackendError, match=message):
        cuda._call(*call)


@pytest.mark.skipif(not cuda.has_device_file(), reason='no NVIDIA GPU')
def test_memory_and_streams_work() -> None:
    device = cuda.find_device()
    assert device.memory_mb > 500 and float(device.capability) >= 5
    stream = cuda.Stream()
    free = cuda.free_memory_mb()
    buffer = cuda.Buffer((1 << 26,), 'uint8')
    assert free - cuda.free_memory_mb() >= 64
    buffer.host[:] = 7
    recording = stream.record(lambda: stream.upload(buffer))
    recording.launch()
    stream.synchronize()
    buffer.host[:] = 0
    stream.download(buffer)
    stream.synchronize()
    assert (buffer.host == 7).all()
    with pytest.raises(BackendError, match='memory of the GPU is exhausted'):
        cuda.Buffer((1 << 45,), 'uint8')
    for part in (recording, buffer, stream):
        part.close()


def test_no_tensorrt_is_imported_where_there_is_no_gpu() -> None:
    if cuda.has_device_file():
        pytest.skip('there is a GPU')
    code = (
        'import sys; from sfnet_ros import inference\n'
        'print(inference.load(backend="auto").reason)\n'
        'try: inference.load(backend="tensorrt")\n'
        'except inference.BackendError as error: print(error)\n'
        'print([name for name in sys.modules if name.startswith("tensorrt")])'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    reason, refusal, modules = done.stdout.splitlines()
    assert reason.startswith('no NVIDIA GPU was found; first that works')
    assert refusal.startswith('found no NVIDIA GPU; expected one of /dev/nvidiactl')
    assert modules == '[]'
