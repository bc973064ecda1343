"""Precision int8 of OpenVINO: what quantising makes, and what is said where it was not made."""

from pathlib import Path
import re
import shlex
import sys

import cv2
import numpy as np
import pytest
from sfnet_ros import cli, inference
from sfnet_ros.errors import BackendError
from sfnet_ros.inference import choose_model, ModelChoice, parity
from sfnet_ros.scenes import Street

openvino = pytest.importorskip('openvino')
from sfnet_ros.inference.backends import openvino_stripes  # noqa: E402
from sfnet_ros.inference.backends.openvino_files import (  # noqa: E402
    quantise,
    read_quantised,
    shared_core,
)
from sfnet_ros.inference.backends.openvino_graphs import compile_graph  # noqa: E402

# Of the trained model: small, so that the tests are quick, and hard, as most pixels are of edges.
SIZE = (128, 256)
AGREEMENT = 0.97


def streets(seeds: range, size: tuple[int, int]) -> np.ndarray:
    """Render one frame of each street: N x height x width x 3 uint8 RGB."""
    return np.stack([Street(seed).render(*size, 1.0).image for seed in seeds])


@pytest.fixture(scope='module')
def trained() -> ModelChoice:
    """Return the shipped model, quantised by rendered streets."""
    pytest.importorskip('nncf')
    choice = choose_model(input_height=SIZE[0], input_width=SIZE[1])
    quantise(choice, [image[None] for image in streets(range(12), SIZE)])
    return choice


@pytest.mark.slow
def test_int8_agrees_with_fp32(trained: ModelChoice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, 'LEAST_AGREEMENT_INT8', AGREEMENT)
    names = {'weights': trained.facts.name, 'input_height': SIZE[0], 'input_width': SIZE[1]}
    loaded = inference.load(**names, backend='openvino', precision='int8')
    exact = inference.load(**names, backend='torch', precision='fp32')
    assert loaded.precision == 'int8' and 'int8 agrees with fp32 of PyTorch on 9' in loaded.reason
    images = streets(range(50, 55), SIZE)
    same = loaded.infer(images) == exact.infer(images)
    # Of most pictures: a large area that the model is unsure of can turn over as one.
    assert np.median(np.mean(same, axis=(1, 2))) > AGREEMENT
    moved, expected = (backend.predict(images, flow=True).flow for backend in (loaded, exact))
    assert moved is not None and expected is not None
    assert np.mean(np.abs(moved - expected)) < 0.1 * np.mean(np.abs(expected))
    assert inference.load(**names, backend='openvino').precision in ('bf16', 'fp32')


def test_flow_and_logits_stay_as_they_are(trained: ModelChoice) -> None:
    core = shared_core()
    _, graph = read_quantised(trained)
    kinds = {
        node.get_friendly_name(): node.input_value(0).get_node().get_type_name()
        for node in graph.get_ops()
        if 'Convolution' in node.get_type_name()
    }
    exact = {
        name for name in kinds if re.search('flow_align|ppm|conv_last.1|stem|stages.0/', name)
    }
    assert len(exact) == 13
    assert {name for name, kind in kinds.items() if kind == 'FakeQuantize'} == set(kinds) - exact
    # And the others are computed in 8 bits, which the weights must reach OpenVINO in.
    compiled = compile_graph(core, graph, 'fp32')
    requests = [getattr(compiled, name, None) for name in ('_request', '_first', '_second')]
    done = [
        node.get_rt_info()['runtimePrecision'].astype(str)
        for request in requests
        if request is not None
        for node in request.get_compiled_model().get_runtime_model().get_ops()
        if node.get_rt_info()['layerType'].astype(str) in ('Convolution', 'GroupConvolution')
    ]
    assert done.count('f32') == len(exact)
    assert set(done) - {'f32'} <= {'u8', 'i8'} and len(done) > 50


def test_logits_in_stripes_are_the_same(
    trained: ModelChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = shared_core()
    _, graph = read_quantised(trained)
    image = streets(range(50, 51), SIZE)
    whole = compile_graph(core, graph, 'fp32').logits(image).copy()
    monkeypatch.setattr(openvino_stripes, '_MOST_BYTES', 1 << 18)
    striped = compile_graph(core, graph, 'fp32').logits(image)
    assert np.mean(striped.argmax(axis=2) == whole.argmax(axis=2)) > 0.999
    assert np.abs(striped - whole).mean() < 0.001 * np.abs(whole).mean()


def test_the_command_that_the_refusal_names_makes_the_file(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    pytest.importorskip('nncf')
    for number, image in enumerate(streets(range(3), (96, 160))):
        cv2.imwrite(str(tmp_path / f'{number}.png'), image)
    with pytest.raises(
        BackendError, match='found no whole int8 file of small at 64x128'
    ) as refusal:
        inference.load(str(model_folder), backend='openvino', precision='int8')
    command = shlex.split(str(refusal.value).split('with: ')[1])
    assert command[:2] == ['sfnet', 'export']
    command[command.index('SOURCE')] = str(tmp_path)
    # Random weights make classes nearly equal, so that 8 bits are too few: checked and refused.
    assert cli.main(command[1:]) == 1
    printed = capsys.readouterr().err
    assert re.search(r'other ids than PyTorch \(equal on .*, expected 99.0%\)', printed)
    assert 'quantise with other images' in printed
    path, _ = read_quantised(choose_model(str(model_folder)))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(
        BackendError, match='found no whole int8 file of .*; make it, from images like'
    ):
        inference.load(str(model_folder), backend='openvino', precision='int8')


def test_the_command_names_all_that_a_bare_checkpoint_does_not_say(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv('SFNET_CACHE_DIR', str(tmp_path / 'a b'))
    bare = str(model_folder / 'weights.safetensors')
    with pytest.raises(BackendError) as refusal:
        inference.load(bare, 'sfnet_lite', 'stdc1', '', 96, 128, 'openvino', 'int8')
    assert str(refusal.value).endswith(
        f"make it, from images like those of the camera, with: SFNET_CACHE_DIR='{tmp_path}/a b' "
        f'sfnet export --openvino --precision int8 --images SOURCE --weights {bare} '
        '--network sfnet_lite --backbone stdc1 --dataset cityscapes '
        '--input-height 96 --input-width 128'
    )


def test_quantising_needs_nncf(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'nncf', None)
    with pytest.raises(BackendError, match='quantising to int8 needs NNCF .*: pip install nncf'):
        quantise(choose_model(str(model_folder)), [np.zeros((1, 64, 128, 3), np.uint8)])


def test_pytorch_has_no_int8(model_folder: Path) -> None:
    message = 'the torch backend has no precision int8; .*; int8 is for the backends openvino and'
    with pytest.raises(BackendError, match=message):
        inference.load(str(model_folder), backend='torch', precision='int8')
