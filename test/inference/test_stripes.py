"""Layers in stripes: the numbers are those of the whole, and the process takes less memory."""

from collections.abc import Callable
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest

openvino = pytest.importorskip('openvino')
from sfnet_ros.inference import choose_model, load  # noqa: E402
from sfnet_ros.inference.backends import openvino_stripes  # noqa: E402
from sfnet_ros.inference.backends.openvino_files import read_exported, shared_core  # noqa: E402
from sfnet_ros.inference.backends.openvino_graphs import (  # noqa: E402
    compile_graph,
    Graph,
    SplitGraph,
)
from sfnet_ros.inference.conversion import reference_ids  # noqa: E402

# Loads a model as a node does, and prints what the process took at most, in MiB.
SERVE = """
import sys
from sfnet_ros.inference import load
from sfnet_ros.inference.backends import openvino_stripes
from sfnet_ros.inference.benchmark import _peak_memory_mb
openvino_stripes._MOST_BYTES = int(sys.argv[2])
load(sys.argv[1], backend='openvino', precision='fp32', checked=False)
print(_peak_memory_mb(), 'torch' in sys.modules)
"""


def compiled(folder: Path) -> Graph:
    core = shared_core()
    return compile_graph(core, read_exported(choose_model(str(folder)))[1], 'fp32')


@pytest.mark.parametrize(
    ('network', 'backbone', 'layers'),
    [
        ('sfnet_lite', 'resnet18', 3),  # and pooling
        ('sfnet_lite', 'efficientnet_lite0', 6),  # two of them by channel
        ('sfnet', 'shufflenet_v2', 1),  # and pooling
    ],
)
def test_first_layers_in_stripes_give_the_same(
    network: str,
    backbone: str,
    layers: int,
    make_model: Callable[..., Path],
    picture: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # 19 rows of the pooled feature are no multiple of the stripes, and odd at every stride.
    size = {'input_height': 76, 'input_width': 96}
    folder = make_model(network=network, backbone=backbone, **size)
    core = shared_core()
    graph = read_exported(choose_model(str(folder)))[1]
    whole, before = graph.clone(), convolutions(graph)
    features = openvino_stripes.local_layers(graph.get_parameters()[0].output(0))
    largest = max(np.prod(layer.get_output_shape(0)) for layer in features) * 4
    monkeypatch.setattr(openvino_stripes, '_MOST_BYTES', largest // 4)
    openvino_stripes.stripe_first_layers(graph, 4)
    assert convolutions(graph) == before + layers * 3
    image = np.ascontiguousarray(picture[None, :76, :96])
    results = []
    for each in (graph, whole):
        request = core.compile_model(each, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
        results.append(request(image)[0])
    assert np.abs(results[1]).max() > 0.1
    np.testing.assert_allclose(*results, rtol=1e-4, atol=1e-4)


def convolutions(graph: 'openvino.Model') -> int:
    return sum('Convolution' in node.get_type_name() for node in graph.get_ops())


# Cells of 4 pixels in 4 stripes; in 5 of 4 rows; in 7 of 3 where 8 were asked for.
@pytest.mark.parametrize(('height', 'count', 'found'), [(64, 4, 4), (76, 5, 5), (76, 8, 7)])
def test_warp_and_classifier_in_stripes_give_the_same(
    height: int,
    count: int,
    found: int,
    make_model: Callable[..., Path],
    picture: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip('numba')
    folder = make_model(input_height=height)
    image = np.ascontiguousarray(picture[None, :height, :128])
    whole = compiled(folder)
    # 32 columns of 256 channels.
    most = -(-height // 4 * 32 * 256 * 4 // count)
    monkeypatch.setattr(openvino_stripes, '_MOST_BYTES', most)
    striped = compiled(folder)
    assert isinstance(whole, SplitGraph) and isinstance(striped, SplitGraph)
    assert (len(whole._stripes), len(striped._stripes)) == (1, found)
    # Twice, as another picture leaves other rows behind.
    striped.logits(np.ascontiguousarray(picture[None, 100 : 100 + height, :128]))
    logits = striped.logits(image)
    assert logits.shape == (height // 4, 32, 19)
    np.testing.assert_allclose(logits, whole.logits(image), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_stripes_keep_the_process_small(make_model: Callable[..., Path]) -> None:
    folder = make_model(backbone='resnet18', input_height=512, input_width=768)
    # Converts the model, with PyTorch, in this process.
    compiled(folder)
    reference_ids(choose_model(str(folder)))
    peaks_mb = []
    for most in (openvino_stripes._MOST_BYTES, 1 << 40):
        command = [sys.executable, '-c', SERVE, str(folder), str(most)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        peak_mb, has_torch = done.stdout.split()
        assert has_torch == 'False'
        peaks_mb.append(float(peak_mb))
    assert peaks_mb[0] < peaks_mb[1] - 40


def test_ids_are_those_of_pytorch_in_stripes(
    model_folder: Path, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = load(str(model_folder), backend='torch', precision='fp32').infer(picture[None])
    monkeypatch.setattr(openvino_stripes, '_MOST_BYTES', 1 << 16)
    loaded = load(str(model_folder), backend='openvino', precision='fp32')
    assert np.mean(loaded.infer(picture[None]) == expected) > 0.999
