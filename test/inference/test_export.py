"""Every network leaves PyTorch, and another runtime gives the same ids."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from sfnet_ros.errors import ModelError
from sfnet_ros.inference.export import export_onnx, OPSET
from sfnet_ros.inference.graph import SegmentationGraph
from sfnet_ros.networks import create_network, PAIRS
import torch
from torch.nn.modules.batchnorm import _BatchNorm

# Where classes tie, the order of summation decides: both runtimes are right.
AGREEMENT = 0.998


def small_graph(network: str, backbone: str, size: tuple[int, int]) -> SegmentationGraph:
    torch.manual_seed(0)
    model = create_network(network, backbone)
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = None
    with torch.no_grad():
        model.train()(torch.randn(2, 3, *size))
    return SegmentationGraph(model, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), size).eval()


@pytest.mark.parametrize(('network', 'backbone'), PAIRS)
def test_the_exported_network_gives_the_same_ids(
    network: str, backbone: str, tmp_path: Path
) -> None:
    graph = small_graph(network, backbone, (65, 97))
    export_onnx(graph, tmp_path / 'graph.onnx')
    session = onnxruntime.InferenceSession(str(tmp_path / 'graph.onnx'))
    images = np.random.default_rng(0).integers(0, 256, (1, 65, 97, 3), dtype=np.uint8)
    (ids,) = session.run(['ids'], {'images': images})
    with torch.inference_mode():
        expected = graph(torch.from_numpy(images)).numpy()
    assert (ids.dtype, ids.shape) == (np.uint8, (1, 65, 97))
    assert len(np.unique(expected)) > 1
    assert np.mean(ids == expected) >= AGREEMENT
    assert [path.name for path in tmp_path.iterdir()] == ['graph.onnx']


def test_the_coarse_logits_can_be_exported(tmp_path: Path) -> None:
    graph = small_graph('sfnet_lite', 'stdc1', (64, 96))
    export_onnx(graph, tmp_path / 'logits.onnx', output='logits')
    session = onnxruntime.InferenceSession(str(tmp_path / 'logits.onnx'))
    images = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), dtype=np.uint8)
    (logits,) = session.run(['logits'], {'images': images})
    with torch.inference_mode():
        expected = graph.logits(torch.from_numpy(images)).numpy()
    assert logits.shape == (1, 16, 24, 19)
    assert np.abs(logits - expected).max() < 1e-3
    with pytest.raises(ValueError, match="output is 'masks'; expected one of ids, logits"):
        export_onnx(graph, tmp_path / 'masks.onnx', output='masks')


def test_the_file_states_opset_and_batch(tmp_path: Path) -> None:
    graph = small_graph('sfnet_lite', 'stdc1', (64, 64))
    export_onnx(graph, tmp_path / 'graph.onnx', batch=3)
    session = onnxruntime.InferenceSession(str(tmp_path / 'graph.onnx'))
    assert session.get_inputs()[0].shape == [3, 64, 64, 3]
    assert session.get_outputs()[0].shape == [3, 64, 64]
    assert OPSET == 17


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    graph = small_graph('sfnet_lite', 'stdc1', (64, 64))
    with pytest.raises(ModelError, match=r'graph.onnx cannot be written: .*name a writable place'):
        export_onnx(graph, tmp_path / 'nowhere' / 'graph.onnx')
