"""The graph's parts: normalisation, and the averaged inference of the papers' tables."""

from pathlib import Path

import numpy as np
import pytest
from sfnet_ros import inference
from sfnet_ros.inference.graph import SegmentationGraph
from sfnet_ros.inference.tail import interpolated_confidence, upsampled_argmax
from sfnet_ros.networks import create_network
import torch


@pytest.fixture
def graph() -> SegmentationGraph:
    network = create_network('fpn', 'df1').eval()
    return SegmentationGraph(network, (0.1, 0.2, 0.3), (0.5, 0.25, 1.0), (32, 64))


def test_normalisation_follows_the_facts(graph: SegmentationGraph) -> None:
    images = torch.randint(0, 256, (2, 32, 64, 3), dtype=torch.uint8)
    expected = (images.double() / 255 - torch.tensor([0.1, 0.2, 0.3])) / torch.tensor(
        [0.5, 0.25, 1]
    )
    found = graph.normalise(images)
    assert found.dtype == torch.float32
    assert torch.allclose(found.double(), expected.permute(0, 3, 1, 2), atol=1e-5)


def test_the_last_step_of_a_gpu_is_that_of_a_cpu(graph: SegmentationGraph) -> None:
    logits = torch.randn(2, 8, 16, 19, generator=torch.Generator().manual_seed(0)) * 3
    size = (45, 70)
    ids = graph.ids(logits, size)
    sure = graph.confidence(logits, ids)
    assert ids.dtype == sure.dtype == torch.uint8 and ids.shape == sure.shape == (2, *size)
    for index, planes in enumerate(logits.numpy()):
        assert np.mean(ids[index].numpy() == upsampled_argmax(planes, size)) > 0.999
        expected = interpolated_confidence(planes, ids[index].numpy())
        assert np.abs(sure[index].numpy().astype(int) - expected).max() <= 1


def test_one_scale_without_flip_is_plain_inference(
    model_folder: Path, picture: np.ndarray
) -> None:
    backend = inference.load(str(model_folder), backend='torch')
    image = np.ascontiguousarray(picture[None, :64, :128])
    assert np.mean(backend.infer_averaged(image, (1.0,), False) == backend.infer(image)) > 0.999


def test_mirrored_images_give_mirrored_averages(model_folder: Path, picture: np.ndarray) -> None:
    backend = inference.load(str(model_folder), backend='torch')
    image = np.ascontiguousarray(picture[None, :64, :128])
    mirrored = np.ascontiguousarray(image[:, :, ::-1])
    one = backend.infer_averaged(image, (0.75, 1.25), flip=True)
    other = backend.infer_averaged(mirrored, (0.75, 1.25), flip=True)
    assert np.mean(one == other[:, :, ::-1]) > 0.995
    assert not np.array_equal(backend.infer(image), one)
