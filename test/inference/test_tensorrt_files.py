"""Precision int8 of TensorRT: the file that quantising makes, for its real parser and builder."""

from pathlib import Path
import re
import sys
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
import onnxruntime
import pytest
from sfnet_ros import inference
from sfnet_ros.errors import BackendError
from sfnet_ros.inference import choose_model, ModelChoice
from sfnet_ros.inference.backends.engines import build_engine
from sfnet_ros.inference.backends.tensorrt_files import quantise, read_model
from sfnet_ros.scenes import Street

# Of the trained model: small, so that the tests are quick, and hard, as most pixels are of edges.
SIZE = (128, 256)
AGREEMENT = 0.97


def streets(seeds: range) -> np.ndarray:
    """Render one frame of each street: N x height x width x 3 uint8 RGB."""
    return np.stack([Street(seed).render(*SIZE, 1.0).image for seed in seeds])


@pytest.fixture(scope='module')
def trained() -> ModelChoice:
    """Return the shipped model, quantised by rendered streets."""
    pytest.importorskip('nncf')
    choice = choose_model(input_height=SIZE[0], input_width=SIZE[1])
    quantise(choice, [image[None] for image in streets(range(12))])
    return choice


def test_int8_agrees_with_fp32(trained: ModelChoice) -> None:
    session = onnxruntime.InferenceSession(str(read_model(trained, 'int8')))
    images = streets(range(50, 55))
    ids, flow = session.run(['ids', 'flow'], {'images': images})
    exact = inference.load('', '', '', '', *SIZE, 'torch', 'fp32').predict(images, flow=True)
    # Of most pictures: a large area that the model is unsure of can turn over as one.
    assert np.median(np.mean(ids == exact.ids, axis=(1, 2))) > AGREEMENT
    assert exact.flow is not None
    assert 0 < np.mean(np.abs(flow - exact.flow)) < 0.1 * np.mean(np.abs(exact.flow))


def test_all_but_flow_and_logits_is_int8(trained: ModelChoice) -> None:
    model = onnx.load(read_model(trained, 'int8'))
    onnx.checker.check_model(model, full_check=True)
    assert [opset.version for opset in model.opset_import] == [17]
    values = {value.name: numpy_helper.to_array(value) for value in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    quantisers = [node for node in makers.values() if 'quantize' in node.op_type.lower()]
    zeros = [values[node.input[2]] for node in quantisers]
    assert len(zeros) > 100 and all(zero.dtype == np.int8 and not zero.any() for zero in zeros)
    in_8_bits, exact = set(), set()
    for node in model.graph.node:
        if node.op_type != 'Conv':
            continue
        kinds = {makers[name].op_type for name in node.input[:2] if name in makers}
        if kinds == {'DequantizeLinear'}:
            in_8_bits.add(node.name)
            weights = makers[node.input[1]]
            channels, *_ = values[weights.input[0]].shape
            assert values[weights.input[0]].dtype == np.int8
            assert values[weights.input[1]].shape == (channels,), 'a scale for every channel'
        else:
            assert 'DequantizeLinear' not in kinds
            exact.add(node.name)
    assert len(exact) == 13 and len(in_8_bits) > 40
    assert all(re.search('flow_align|ppm|conv_last.1|stem|stages.0/', name) for name in exact)


def test_tensorrt_builds_it(trained: ModelChoice, tensorrt: Any) -> None:
    path = read_model(trained, 'int8')
    exact = build_engine(tensorrt, read_model(trained, 'fp32'))
    # Weights in 8 bits reach the engine as such.
    assert len(build_engine(tensorrt, path)) < 0.9 * len(exact)
    assert len(build_engine(tensorrt, path, batch=3)) > 1000


def test_quantising_needs_onnx_runtime(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(BackendError, match='needs ONNX and ONNX Runtime .*: pip install onnx onn'):
        quantise(choose_model(str(model_folder)), [np.zeros((1, 64, 128, 3), np.uint8)])
