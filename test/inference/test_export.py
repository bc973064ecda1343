"""Every network leaves PyTorch, and another runtime gives the same ids."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from sfnet_ros.errors import ModelError
from sfnet_ros.inference import choose_model
from sfnet_ros.inference.backends.engines import build_engine
from sfnet_ros.inference.export import export_onnx, OPSET, OUTPUTS, PRECISIONS
from sfnet_ros.inference.graph import build_graph, SegmentationGraph
from sfnet_ros.inference.parity import parity_image
from sfnet_ros.networks import create_network, NETWORKS, PAIRS
from sfnet_ros.networks.alignment import recorded_flows
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


@pytest.fixture(scope='module', params=PAIRS, ids='-'.join)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[SegmentationGraph, Path]:
    """Return every network at an awkward size, with the file that it was exported to."""
    graph = small_graph(*request.param, (65, 97))
    path = tmp_path_factory.mktemp('exported') / 'graph.onnx'
    export_onnx(graph, path, outputs=OUTPUTS, batch=None)
    return graph, path


def test_the_exported_network_gives_the_same_ids(exported: tuple[SegmentationGraph, Path]) -> None:
    graph, path = exported
    session = onnxruntime.InferenceSession(str(path))
    images = np.random.default_rng(0).integers(0, 256, (1, 65, 97, 3), dtype=np.uint8)
    (ids,) = session.run(['ids'], {'images': images})
    with torch.inference_mode():
        expected = graph(torch.from_numpy(images)).numpy()
    assert (ids.dtype, ids.shape) == (np.uint8, (1, 65, 97))
    assert len(np.unique(expected)) > 1
    assert np.mean(ids == expected) >= AGREEMENT
    assert [path.name for path in path.parent.iterdir()] == ['graph.onnx']


def test_tensorrt_builds_the_exported_network(
    exported: tuple[SegmentationGraph, Path], tensorrt: Any
) -> None:
    """The real parser and builder, which work without a GPU in TensorRT-RTX."""
    assert len(build_engine(tensorrt, exported[1])) > exported[1].stat().st_size / 4


@pytest.mark.parametrize('network', NETWORKS)
def test_the_number_of_images_can_be_left_open(
    network: str, tmp_path: Path, tensorrt: Any
) -> None:
    graph = small_graph(network, 'resnet50' if network == 'srnet' else 'df2', (64, 96))
    path = tmp_path / 'graph.onnx'
    export_onnx(graph, path, outputs=('ids', 'logits'), batch=None)
    session = onnxruntime.InferenceSession(str(path))
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 96, 3), dtype=np.uint8)
    _, logits = session.run(None, {'images': images})
    alone = [session.run(None, {'images': image[None]})[1][0] for image in images]
    assert np.abs(logits - alone).max() < 1e-3 * np.abs(logits).max()
    assert np.abs(logits[0] - logits[1]).max() > 0.01 * np.abs(logits).max()
    # Sizes are numbers: only how many images there are is worked out by the runtime.
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert not {'Range', 'Expand', 'ConstantOfShape'} & set(kinds)
    assert len(build_engine(tensorrt, path, batch=3)) > path.stat().st_size / 4


def test_logits_and_flow_can_be_exported(tmp_path: Path) -> None:
    graph = small_graph('sfnet_lite', 'stdc1', (64, 96))
    export_onnx(graph, tmp_path / 'graph.onnx', outputs=('logits', 'flow'))
    session = onnxruntime.InferenceSession(str(tmp_path / 'graph.onnx'))
    images = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), dtype=np.uint8)
    logits, flow = session.run(['logits', 'flow'], {'images': images})
    with torch.inference_mode(), recorded_flows(graph.network) as flows:
        expected = graph.logits(torch.from_numpy(images)).numpy()
    assert logits.shape == (1, 16, 24, 19)
    assert np.abs(logits - expected).max() < 1e-3
    assert flow.shape == (1, 16, 24, 2) and np.abs(flow).max() > 0.01
    (moved,) = (field for name, field in flows.items() if name.endswith('.high'))
    assert np.abs(flow - moved.permute(0, 2, 3, 1).numpy() / 2).max() < 1e-3
    with pytest.raises(ValueError, match="output is 'masks'; expected one of ids, logits, flow"):
        export_onnx(graph, tmp_path / 'masks.onnx', outputs=('masks',))


def test_a_network_without_flow_has_no_such_output(tmp_path: Path) -> None:
    graph = small_graph('fpn', 'df1', (64, 64))
    assert export_onnx(graph, tmp_path / 'a.onnx', outputs=('ids', 'flow', 'ids')) == ['ids']
    session = onnxruntime.InferenceSession(str(tmp_path / 'a.onnx'))
    assert [output.name for output in session.get_outputs()] == ['ids']
    with pytest.raises(ModelError, match='learns no flow; expected an output ids or logits'):
        export_onnx(graph, tmp_path / 'b.onnx', outputs=('flow',))
    assert not (tmp_path / 'b.onnx').exists()


@pytest.mark.parametrize(
    ('network', 'backbone'),
    [('sfnet_lite', 'resnet18'), ('sfnet', 'df1'), ('sfnet_sr', 'stdc1'), ('srnet', 'resnet50')],
)
def test_half_precision_leaves_the_ids(
    network: str, backbone: str, tmp_path: Path, tensorrt: Any
) -> None:
    graph = small_graph(network, backbone, (65, 97))
    export_onnx(graph, tmp_path / 'graph.onnx', precision='fp16')
    session = onnxruntime.InferenceSession(str(tmp_path / 'graph.onnx'))
    images = np.random.default_rng(0).integers(0, 256, (1, 65, 97, 3), dtype=np.uint8)
    (ids,) = session.run(None, {'images': images})
    with torch.inference_mode():
        # Still float32: what is exported is a copy.
        expected = graph(torch.from_numpy(images)).numpy()
    assert len(np.unique(expected)) > 1
    # Random weights leave classes nearly equal in many pixels; trained ones agree far better.
    assert np.mean(ids == expected) >= 0.9
    assert len(build_engine(tensorrt, tmp_path / 'graph.onnx')) > 1000
    with pytest.raises(ValueError, match="precision is 'bf16'; expected one of fp32, fp16"):
        export_onnx(graph, tmp_path / 'graph.onnx', precision='bf16')


def test_the_default_model_keeps_its_ids_in_half_precision(tmp_path: Path) -> None:
    graph = build_graph(choose_model(input_height=256, input_width=512))
    export_onnx(graph, tmp_path / 'graph.onnx', precision='fp16')
    session = onnxruntime.InferenceSession(str(tmp_path / 'graph.onnx'))
    image = parity_image((256, 512))
    (ids,) = session.run(None, {'images': image})
    with torch.inference_mode():
        assert np.mean(ids == graph(torch.from_numpy(image)).numpy()) >= 0.999


@pytest.mark.parametrize('precision', PRECISIONS)
def test_types_are_where_tensorrt_needs_them(precision: str, tmp_path: Path) -> None:
    """A Cast at either end, and everything of the sampling in float32 also within half."""
    path = tmp_path / 'graph.onnx'
    export_onnx(small_graph('sfnet_lite', 'stdc1', (64, 64)), path, precision=precision)
    graph = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    types = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    (first,) = (node for node in graph.node if 'images' in node.input)
    (last,) = (node for node in graph.node if 'ids' in node.output)
    assert (first.op_type, last.op_type) == ('Cast', 'Cast')
    features = onnx.TensorProto.FLOAT16 if precision == 'fp16' else onnx.TensorProto.FLOAT
    assert all(types[n.output[0]] == features for n in graph.node if n.op_type == 'Conv')
    samplers = [node for node in graph.node if node.op_type == 'GridSample']
    grids = [node for node in graph.node if node.output[0] in {s.input[1] for s in samplers}]
    assert len(samplers) == len(grids) == 2
    single = {name for node in (*samplers, *grids) for name in (*node.input, *node.output)}
    assert {types[name] for name in single if name in types} == {onnx.TensorProto.FLOAT}


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
