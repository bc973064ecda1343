"""The torch backend: exactly the graph, at any size, refusing what it cannot do."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from sfnet_ros import inference
from sfnet_ros.errors import BackendError, CheckpointError, ImageError, ModelError
from sfnet_ros.networks import create_network, load_state
import torch
import torch.nn.functional as F


def test_ids_are_those_of_the_plain_network(model_folder: Path, picture: np.ndarray) -> None:
    """Normalise, network, interpolate, argmax, written out plainly at the network's own size."""
    image = np.ascontiguousarray(picture[:64, :128])
    network = create_network('sfnet_lite', 'stdc1')
    load_state(network, load_file(model_folder / 'weights.safetensors'))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = ((torch.from_numpy(image) / 255 - mean) / std).permute(2, 0, 1)[None]
    with torch.inference_mode():
        expected = network.eval()(x).argmax(1)[0].numpy()
    ids = inference.load(str(model_folder)).infer(image[None])
    assert ids.dtype == np.uint8
    assert len(np.unique(expected)) > 3
    assert np.mean(ids[0] == expected) > 0.9999


@pytest.mark.parametrize('size', [(64, 128), (359, 641), (48, 33), (1, 1)])
def test_ids_have_the_size_of_the_image(model_folder: Path, size: tuple[int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    backend = inference.load(str(model_folder))
    ids = backend.infer(images)
    assert ids.shape == (2, *size)
    # Not all: the order of summation may depend on the batch, which matters where classes tie.
    assert np.mean(ids[1:] == backend.infer(images[1:])) >= 0.999


def test_images_are_resized_to_the_input_size(model_folder: Path, picture: np.ndarray) -> None:
    """A picture and its own reduction give nearly the same ids."""
    backend = inference.load(str(model_folder))
    x = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    small = F.interpolate(x, (64, 128), mode='bilinear', antialias=True)
    small = small.round().byte()[0].permute(1, 2, 0).numpy()
    ids = torch.from_numpy(backend.infer(picture[None])).float()
    reduced = F.interpolate(ids[None], (64, 128), mode='nearest-exact')[0, 0].numpy()
    assert np.mean(reduced == backend.infer(small[None])[0]) > 0.9


def test_another_input_size_can_be_asked_for(model_folder: Path, picture: np.ndarray) -> None:
    backend = inference.load(str(model_folder), input_height=96, input_width=160)
    assert backend.input_size == (96, 160)
    assert backend.infer(picture[None]).shape == (1, 359, 641)


def test_a_bgr_model_sees_blue_first(
    make_model: Callable[..., Path], model_folder: Path, picture: np.ndarray
) -> None:
    bgr = inference.load(str(make_model('bgr', channel_order='bgr')))
    rgb = inference.load(str(model_folder))
    assert np.array_equal(bgr.infer(picture[None]), rgb.infer(picture[None, ..., ::-1]))


def test_bf16_agrees_with_fp32(model_folder: Path, picture: np.ndarray) -> None:
    exact = inference.load(str(model_folder), precision='fp32').infer(picture[None])
    rounded = inference.load(str(model_folder), precision='bf16').infer(picture[None])
    assert np.mean(exact == rounded) > 0.9


@pytest.mark.parametrize(
    'images',
    [
        np.zeros((64, 128, 3), np.uint8),
        np.zeros((1, 64, 128, 4), np.uint8),
        np.zeros((1, 64, 128, 3), np.float32),
    ],
)
def test_what_is_no_batch_of_images_is_refused(model_folder: Path, images: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r'images are .* expected uint8 N x H x W x 3'):
        inference.load(str(model_folder)).infer(images)


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
        inference.load(str(model_folder), precision='fp16')


def test_damaged_weights_are_refused(make_model: Callable[..., Path]) -> None:
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
        inference.load(str(folder))


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
