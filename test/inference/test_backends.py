"""One contract for every backend: the ids of the plain network, or a clear refusal."""

from collections.abc import Callable
from pathlib import Path
import subprocess
import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from sfnet_ros import inference
from sfnet_ros.errors import BackendError, CheckpointError, ImageError, ModelError
from sfnet_ros.inference import parity, tail
from sfnet_ros.inference.backends.engines import find_library
from sfnet_ros.inference.choice import choose_model
from sfnet_ros.inference.conversion import exported
from sfnet_ros.inference.cuda import find_device
from sfnet_ros.inference.graph import SegmentationGraph
from sfnet_ros.inference.models import shipped_models
from sfnet_ros.inference.pixels import fit
from sfnet_ros.networks import create_network, load_state
import torch

pytest.importorskip('openvino', reason='the contract is that of the default CPU backend too')


def why_not_tensorrt() -> str:
    """Return why TensorRT cannot be used on this machine, or ''."""
    try:
        find_device()
        find_library()
    except BackendError as error:
        return str(error)
    return ''


WHY_NOT = why_not_tensorrt()
BACKENDS = [
    pytest.param('tensorrt', marks=pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)),
    'openvino',
    'torch',
]
# Share of ids equal to those of PyTorch in float32, by precision. The small model's weights are
# random, so that classes are nearly equal in many pixels; trained ones agree far better.
AGREEMENT = {'fp32': 0.999, 'bf16': 0.85}


def plain_ids(model_folder: Path, image: np.ndarray) -> np.ndarray:
    """Normalise, network, interpolate, argmax, written out plainly for an image of 64x128."""
    network = create_network('sfnet_lite', 'stdc1')
    load_state(network, load_file(model_folder / 'weights.safetensors'))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = ((torch.from_numpy(image) / 255 - mean) / std).permute(2, 0, 1)[None]
    with torch.inference_mode():
        return network.eval()(x).argmax(1)[0].numpy()


def test_openvino_reports_to_no_one() -> None:
    # In a fresh interpreter: others of this run may have imported it before.
    code = (
        'import sys, threading; import sfnet_ros.inference.backends.openvino; '
        'from openvino.tools.ovc.telemetry_utils import tm; print(tm.__name__, '
        'threading.active_count())'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout == 'openvino.tools.ovc.telemetry_stub 1\n', done.stderr


@pytest.mark.parametrize('backend', BACKENDS)
def test_ids_are_those_of_the_plain_network(
    backend: str, model_folder: Path, picture: np.ndarray
) -> None:
    image = np.ascontiguousarray(picture[:64, :128])
    expected = plain_ids(model_folder, image)
    assert len(np.unique(expected)) > 3
    loaded = inference.load(str(model_folder), backend=backend, precision='fp32')
    assert (loaded.name, loaded.precision, loaded.input_size) == (backend, 'fp32', (64, 128))
    ids = loaded.infer(image[None])
    assert ids.dtype == np.uint8
    assert np.mean(ids[0] == expected) > AGREEMENT['fp32']
    loaded.close()


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('size', [(64, 128), (359, 641), (48, 33), (1, 1)])
def test_ids_have_the_size_of_the_images(
    backend: str, model_folder: Path, size: tuple[int, int]
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    loaded = inference.load(str(model_folder), backend=backend, precision='fp32')
    ids = loaded.infer(images)
    assert ids.shape == (2, *size)
    # Not all: the order of summation may depend on the batch, which matters where classes tie.
    assert np.mean(ids[1:] == loaded.infer(images[1:])) >= 0.999


@pytest.mark.parametrize('backend', BACKENDS)
def test_images_are_resized_to_the_input_size(
    backend: str, model_folder: Path, picture: np.ndarray
) -> None:
    """A picture and its own reduction have the same logits, so ids differ by the size only."""
    loaded = inference.load(str(model_folder), backend=backend, precision='fp32')
    small = loaded.infer(fit(picture[None], (64, 128)))[0]
    rows = np.linspace(0, 63, 359).round().astype(int)
    columns = np.linspace(0, 127, 641).round().astype(int)
    assert np.mean(loaded.infer(picture[None])[0] == small[rows[:, None], columns]) > 0.9


@pytest.mark.parametrize('backend', BACKENDS)
def test_another_input_size_can_be_asked_for(
    backend: str, model_folder: Path, picture: np.ndarray
) -> None:
    loaded = inference.load(str(model_folder), input_height=96, input_width=160, backend=backend)
    assert loaded.input_size == (96, 160)
    assert loaded.infer(picture[None]).shape == (1, 359, 641)


@pytest.mark.parametrize('backend', BACKENDS)
def test_a_bgr_model_sees_blue_first(
    backend: str, make_model: Callable[..., Path], model_folder: Path, picture: np.ndarray
) -> None:
    """With equal mean and deviation of all colours, swapping the image is all that differs."""
    grey = {'mean': (0.4, 0.4, 0.4), 'std': (0.2, 0.2, 0.2)}
    ids = [
        inference.load(
            str(make_model(order, channel_order=order, **grey)), backend=backend, precision='fp32'
        ).infer(image[None])
        for order, image in (('bgr', picture), ('rgb', np.ascontiguousarray(picture[..., ::-1])))
    ]
    assert np.mean(ids[0] == ids[1]) > 0.999


@pytest.mark.parametrize('backend', BACKENDS)
def test_bf16_agrees_with_fp32(backend: str, model_folder: Path, picture: np.ndarray) -> None:
    exact = inference.load(str(model_folder), precision='fp32', backend='torch')
    try:
        rounded = inference.load(str(model_folder), precision='bf16', backend=backend)
    except BackendError as error:
        # Random weights may fall short of what is asked of trained ones: then it must say so.
        assert 'gives other ids than PyTorch' in str(error)
        return
    same = rounded.infer(picture[None]) == exact.infer(picture[None])
    assert np.mean(same) > AGREEMENT['bf16']


def test_a_precision_that_is_asked_for_is_checked_too(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As OpenVINO is, PyTorch is compared with what it gives itself in float32."""
    monkeypatch.setattr(parity, 'LEAST_AGREEMENT', 1.1)
    asked: dict[str, Any] = {'weights': str(model_folder), 'backend': 'torch'}
    with pytest.raises(BackendError, match='the torch backend gives other ids .* precision auto'):
        inference.load(precision='bf16', **asked)
    assert inference.load(precision='bf16', checked=False, **asked).precision == 'bf16'
    assert inference.load(**asked).precision == 'fp32'


def test_a_gpu_that_cannot_run_the_model_is_passed_over(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With openvino next, and without it PyTorch on the CPU instead of the GPU once more."""
    if torch.cuda.is_available():
        pytest.skip('auto takes the CUDA device here')
    move = SegmentationGraph.to

    def refuse(graph: SegmentationGraph, device: str, **options: Any) -> SegmentationGraph:
        if device == 'cuda':
            raise torch.cuda.OutOfMemoryError('CUDA out of memory.\nOf 24 GiB 3 MiB are free.')
        return move(graph, device, **options)

    monkeypatch.setattr(SegmentationGraph, 'to', refuse)
    monkeypatch.setattr(inference, 'has_device_file', lambda: True)
    monkeypatch.setattr('sfnet_ros.inference.backends.torch.has_cuda', lambda: True)
    loaded = inference.load(str(model_folder))
    assert loaded.name == 'openvino'
    assert 'cannot be run at 64x128 (CUDA out of memory.); expected' in loaded.reason
    with pytest.raises(BackendError, match=r'\(CUDA out of memory.\).* use another backend'):
        inference.load(str(model_folder), backend='torch')
    monkeypatch.setitem(sys.modules, 'sfnet_ros.inference.backends.openvino', None)
    loaded = inference.load(str(model_folder))
    assert (loaded.name, loaded.device) == ('torch', 'cpu')


def test_a_model_that_does_not_fit_into_memory_is_refused(model_folder: Path) -> None:
    with pytest.raises(BackendError, match=r'at 1000000x1000000 \(.*memory.* set a smaller'):
        inference.load(str(model_folder), '', '', '', 10**6, 10**6, backend='openvino')


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('backend', BACKENDS)
def test_images_need_not_be_writable(backend: str, model_folder: Path) -> None:
    images = np.frombuffer(bytes(64 * 128 * 3), np.uint8).reshape(1, 64, 128, 3)
    assert inference.load(str(model_folder), backend=backend).infer(images).shape == (1, 64, 128)


@pytest.mark.parametrize(
    'folder', [folder for folder, _ in shipped_models()], ids=lambda folder: folder.name
)
def test_the_shipped_models_serve_in_bf16(folder: Path) -> None:
    from sfnet_ros.inference.backends.openvino_files import shared_core

    if 'BF16' not in shared_core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES'):
        pytest.skip('this CPU does not compute in bf16')
    backend = inference.load(str(folder), '', '', '', 512, 1024, backend='openvino')
    assert backend.precision == 'bf16', backend.reason


def test_auto_takes_the_first_that_works_and_says_why(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if torch.cuda.is_available():
        pytest.skip('auto takes the CUDA device here')
    assert inference.load(str(model_folder)).name == 'openvino'
    monkeypatch.setitem(sys.modules, 'sfnet_ros.inference.backends.openvino', None)
    loaded = inference.load(str(model_folder))
    assert loaded.name == 'torch'
    assert 'openvino cannot be imported' in loaded.reason


def test_without_onnx_auto_goes_on_and_says_so(make_model: Callable[..., Path]) -> None:
    """In a process of its own, where the package onnx cannot be imported."""
    script = (
        'import sys; sys.modules["onnx"] = None; from sfnet_ros import inference; '
        'b = inference.load(sys.argv[1]); print(b.name, b.reason)'
    )
    folder = str(make_model('without_onnx', mean=(0.3, 0.3, 0.3)))
    command = [sys.executable, '-c', script, folder]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert result.stdout.startswith('torch ')
    assert 'pip install onnx' in result.stdout


def test_a_second_load_comes_from_the_cache_without_pytorch(
    model_folder: Path, cache: Path, picture: np.ndarray
) -> None:
    expected = inference.load(str(model_folder), backend='openvino', precision='fp32')
    files = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert cache.stat().st_mode & 0o777 == 0o700
    script = (
        'import sys, numpy; sys.modules["torch"] = None; from sfnet_ros import inference; '
        'b = inference.load(sys.argv[1], backend="openvino", precision="fp32"); '
        'numpy.save(sys.argv[3], b.infer(numpy.load(sys.argv[2])))'
    )
    image, ids = cache.parent / 'image.npy', cache.parent / 'ids.npy'
    np.save(image, picture[None])
    subprocess.run(
        [sys.executable, '-c', script, str(model_folder), str(image), str(ids)], check=True
    )
    assert np.array_equal(np.load(ids), expected.infer(picture[None]))
    assert files == {path: path.stat().st_mtime_ns for path in cache.iterdir()}


@pytest.mark.parametrize('kind', ['onnx', 'npy'])
@pytest.mark.parametrize('damage', ['cut', 'lost page'])
def test_damaged_files_of_the_cache_are_made_anew(
    damage: str, kind: str, make_model: Callable[..., Path], cache: Path, picture: np.ndarray
) -> None:
    folder = str(make_model('damaged', mean=(0.1, len(damage) / 10, len(kind) / 10)))
    before = set(cache.glob('*')) if cache.exists() else set()
    expected = inference.load(folder, backend='openvino', precision='fp32').infer(picture[None])
    (path,) = (path for path in set(cache.iterdir()) - before if path.suffix == f'.{kind}')
    whole = path.read_bytes()
    half = len(whole) // 2
    rest = bytes(4096) + whole[half + 4096 :]
    path.write_bytes(whole[:half] + rest * (damage == 'lost page'))
    again = inference.load(folder, backend='openvino', precision='fp32')
    assert np.array_equal(again.infer(picture[None]), expected)
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    'images',
    [
        np.zeros((64, 128, 3), np.uint8),
        np.zeros((1, 64, 128, 4), np.uint8),
        np.zeros((1, 64, 128, 3), np.float32),
        np.zeros((1, 0, 128, 3), np.uint8),
    ],
)
@pytest.mark.parametrize('backend', BACKENDS)
def test_what_is_no_batch_of_images_is_refused(
    backend: str, model_folder: Path, images: np.ndarray
) -> None:
    with pytest.raises(ImageError, match=r'images are .* expected uint8 N x H x W x 3'):
        inference.load(str(model_folder), backend=backend).infer(images)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'backend': 'abacus'}, "backend is 'abacus'; expected one of auto"),
        ({'precision': 'fp8'}, "precision is 'fp8'; expected one of auto"),
    ],
)
def test_unknown_choices_are_refused(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(BackendError, match=message):
        inference.load(**arguments)


@pytest.mark.skipif(torch.cuda.is_available(), reason='fp16 is possible with a CUDA device')
def test_fp16_on_a_cpu_is_refused(model_folder: Path) -> None:
    with pytest.raises(BackendError, match='fp16 on the torch backend needs a CUDA device'):
        inference.load(str(model_folder), precision='fp16', backend='torch')


@pytest.mark.parametrize('backend', inference.BACKENDS)
def test_damaged_weights_are_refused(backend: str, make_model: Callable[..., Path]) -> None:
    folder = make_model()
    weights = folder / 'weights.safetensors'
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r'has sha256 .*, expected .* damaged or was replaced'
    ):
        inference.load(str(folder))
    weights.unlink()
    with pytest.raises(ModelError, match=r'weights .* of model model are missing'):
        inference.load(str(folder), backend=backend)


def test_a_checkpoint_of_another_network_or_class_count_is_refused(
    model_folder: Path, tmp_path: Path
) -> None:
    weights = str(model_folder / 'weights.safetensors')
    with pytest.raises(CheckpointError, match='the weights do not fit'):
        inference.load(weights, 'sfnet', 'resnet18')
    with pytest.raises(CheckpointError, match='trained for 19 classes, but camvid has 11'):
        inference.load(weights, 'sfnet_lite', 'stdc1', 'camvid')
    state = load_file(weights)
    state.pop('head.conv_last.1.bias')
    save_file(state, tmp_path / 'short.safetensors')
    with pytest.raises(CheckpointError, match=r'1 missing \(head.conv_last.1.bias\)'):
        inference.load(str(tmp_path / 'short.safetensors'), 'sfnet_lite', 'stdc1')


def test_an_official_checkpoint_runs(
    model_folder: Path, tmp_path: Path, picture: np.ndarray
) -> None:
    state = load_file(model_folder / 'weights.safetensors')
    torch.save(
        {'state_dict': {f'module.{key}': value for key, value in state.items()}, 'epoch': 1},
        tmp_path / 'official.pth',
    )
    official = inference.load(
        str(tmp_path / 'official.pth'), 'sfnet_lite', 'stdc1', input_height=64, input_width=128
    )
    ours = inference.load(str(model_folder))
    assert np.array_equal(official.infer(picture[None]), ours.infer(picture[None]))


@pytest.mark.parametrize('backend', BACKENDS)
def test_confidence_comes_on_request(
    backend: str, model_folder: Path, picture: np.ndarray
) -> None:
    loaded = inference.load(str(model_folder), backend=backend, precision='fp32')
    plain, asked = loaded.predict(picture[None]), loaded.predict(picture[None], confidence=True)
    assert plain.confidence is None and asked.confidence is not None
    assert asked.confidence.shape == asked.ids.shape == (1, *picture.shape[:2])
    assert asked.confidence.dtype == np.uint8 and 255 / 19 - 1 < asked.confidence.mean() < 255
    np.testing.assert_array_equal(plain.ids, asked.ids)


@pytest.mark.parametrize('backend', BACKENDS)
def test_flow_comes_on_request(backend: str, model_folder: Path, picture: np.ndarray) -> None:
    images = np.stack((picture, picture[::-1]))
    loaded = inference.load(str(model_folder), backend=backend, precision='fp32')
    assert loaded.predict(images).flow is None
    flow = loaded.predict(images, flow=True).flow
    assert flow is not None and flow.shape == (2, 16, 32, 2) and flow.dtype == np.float32
    true = inference.load(str(model_folder), backend='torch', precision='fp32')
    high = [true.flows(image)['flow_align_module.high'] for image in images]
    assert np.abs(high).max() > 0.5
    assert np.abs(flow - high).max() < 1e-3


@pytest.mark.parametrize(('network', 'finest'), [('sfnet', 'fpn_out_align.0'), ('fpn', None)])
def test_flow_is_that_of_the_finest_module(
    network: str, finest: str | None, make_model: Callable[..., Path], picture: np.ndarray
) -> None:
    folder = str(make_model(network=network, backbone='df2'))
    found = inference.load(folder, backend='openvino', precision='fp32').predict(
        picture[None], flow=True
    )
    true = inference.load(folder, backend='torch', precision='fp32')
    if finest is None:
        assert found.flow is None is true.predict(picture[None], flow=True).flow
        return
    assert found.flow is not None
    assert np.abs(found.flow[0] - true.flows(picture)[finest]).max() < 1e-3


@pytest.mark.parametrize('network', ['sfnet_lite', 'sfnet'])
def test_openvino_copies_no_output(
    network: str, make_model: Callable[..., Path], picture: np.ndarray
) -> None:
    from sfnet_ros.inference.backends.openvino_files import shared_core
    from sfnet_ros.inference.backends.openvino_graphs import compile_graph

    folder = make_model(network=network, backbone='df2', input_height=256, input_width=512)
    model = shared_core().read_model(str(exported(choose_model(str(folder)), ('logits',))))
    graph = compile_graph(shared_core(), model, 'fp32')
    image = np.ascontiguousarray(picture[None, :256, :512])
    size = graph.logits(image).nbytes
    tracemalloc.start()
    try:
        graph.logits(image)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < size / 2


def test_without_numba_the_graph_stays_whole_and_ids_are_the_same(
    model_folder: Path, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('numba')
    split = inference.load(str(model_folder), backend='openvino', precision='fp32')
    assert 'two graphs around the compiled warp' in split.reason
    for name in ('kernels', 'kernels.tail', 'kernels.warp'):
        monkeypatch.setitem(sys.modules, f'sfnet_ros.inference.{name}', None)
    monkeypatch.setattr(tail, 'compiled_loops', tail.compiled_loops.__wrapped__)
    whole = inference.load(str(model_folder), backend='openvino', precision='fp32')
    assert 'one graph, as numba is not usable here: pip install numba' in whole.reason
    asked, found = (
        each.predict(picture[None], confidence=True, flow=True) for each in (split, whole)
    )
    assert np.mean(asked.ids == found.ids) > AGREEMENT['fp32']
    assert asked.confidence is not None and found.confidence is not None
    assert np.abs(asked.confidence.astype(int) - found.confidence).mean() < 0.1
    assert asked.flow is not None and found.flow is not None
    assert np.abs(asked.flow - found.flow).max() < 1e-3


def test_signals_are_survived_after_models_were_freed(model_folder: Path) -> None:
    """A node that has changed its model twice is told to stop; see ``shared_core``."""
    code = f"""
import gc, signal
from sfnet_ros import inference
signal.signal(signal.SIGTERM, lambda *_: print('told'))
loaded = [inference.load({str(model_folder)!r}, backend='openvino') for _ in range(2)]
while loaded:
    loaded.pop(0).close()
    gc.collect()
signal.raise_signal(signal.SIGTERM)
"""
    ran = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, 'told\n'), ran.stderr
