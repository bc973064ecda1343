"""The contract that every backbone x head pair keeps."""

import pytest
from sfnet_ros.networks import BACKBONES, create_network, NETWORKS, PAIRS, SegmentationNetwork
import torch
from torch import Tensor
import torch.nn.functional as F

_HEIGHT, _WIDTH = 37, 61
_CLASSES = 11
every_pair = pytest.mark.parametrize(('network', 'backbone'), PAIRS)


def auxiliary_count(network: str, backbone: str) -> int:
    if network == 'srnet':
        return 1
    if network == 'sfnet_dsn':
        return 2 if backbone in ('df1', 'df2') else 3
    return 0


def random_images(batch: int) -> Tensor:
    return torch.randn(batch, 3, _HEIGHT, _WIDTH, generator=torch.Generator().manual_seed(1))


def test_every_head_and_backbone_is_in_a_pair() -> None:
    assert {network for network, _ in PAIRS} == set(NETWORKS)
    assert {backbone for _, backbone in PAIRS} == set(BACKBONES)
    assert len(PAIRS) == (len(NETWORKS) - 1) * len(BACKBONES) + 2


@every_pair
def test_pair_trains_a_step_and_infers(network: str, backbone: str) -> None:
    torch.manual_seed(0)
    model = create_network(network, backbone, _CLASSES)
    for layer in model.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.momentum = 1.0  # inference then sees the features at the scale of training
    images = random_images(2)
    kept = images.clone()
    labels = torch.arange(2 * _HEIGHT * _WIDTH).view(2, _HEIGHT, _WIDTH) % _CLASSES
    weights = {n: p.detach().clone() for n, p in model.named_parameters() if p.ndim > 1}

    outputs = model.supervised_logits(images)
    assert len(outputs) == 1 + auxiliary_count(network, backbone)
    assert {tuple(logits.shape) for logits in outputs} == {(2, _CLASSES, _HEIGHT, _WIDTH)}
    sum(F.cross_entropy(logits, labels) for logits in outputs).backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert not [n for n, g in gradients.items() if g is None or not g.isfinite().all()]

    assert_infers(model.eval(), images)
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    after = dict(model.named_parameters())
    assert not [name for name, weight in weights.items() if torch.equal(weight, after[name])]
    assert torch.equal(images, kept)


def assert_infers(model: SegmentationNetwork, images: Tensor) -> None:
    with torch.inference_mode():
        logits = model(images)
        assert logits.shape == (len(images), _CLASSES, *images.shape[2:])
        assert logits.dtype == torch.float32
        assert logits.isfinite().all()
        assert logits.std(dim=(2, 3)).max() > 0.01
        assert torch.equal(logits, model(images))
        assert torch.equal(logits, model.supervised_logits(images)[0])
        # A frame's result must not depend on its neighbours in the batch. Rounding, which random
        # weights in a hundred layers amplify, is far below what a neighbour would change.
        alone = model(images[1:])[0]
        assert (alone - logits[1]).abs().max() < 0.05 * (logits[0] - logits[1]).std()


@pytest.mark.parametrize('network', NETWORKS)
def test_supervised_logits_round_their_size_up(network: str) -> None:
    with torch.device('meta'):
        model = create_network(network, 'resnet50').eval()
        outputs = model.supervised_logits(torch.empty(1, 3, 97, 161), stride=8)
    assert {tuple(logits.shape) for logits in outputs} == {(1, 19, 13, 21)}


def test_coarse_logits_are_the_resized_logits() -> None:
    model = create_network('sfnet_lite', 'stdc1').eval()
    images = random_images(1)
    with torch.inference_mode():
        coarse = model.coarse_logits(images)
        expected = F.interpolate(coarse, (_HEIGHT, _WIDTH), mode='bilinear', align_corners=True)
        assert coarse.shape == (1, 19, 10, 16)
        assert torch.equal(model(images), expected)


def test_logits_are_float32_under_autocast() -> None:
    model = create_network('sfnet_lite', 'stdc1').eval()
    with torch.inference_mode(), torch.autocast('cpu', torch.bfloat16):
        outputs = [model(random_images(1)), *model.supervised_logits(random_images(1))]
    assert [logits.dtype for logits in outputs] == [torch.float32, torch.float32]


def test_without_flow_sfnet_is_the_feature_pyramid() -> None:
    sfnet = create_network('sfnet', 'stdc1').eval()
    fpn = create_network('fpn', 'stdc1').eval()
    for align in sfnet.head.fpn_out_align:
        torch.nn.init.zeros_(align.flow_make.weight)
    state = {k: v for k, v in sfnet.state_dict().items() if 'fpn_out_align' not in k}
    fpn.load_state_dict(state, strict=True)
    images = random_images(1)
    with torch.inference_mode():
        torch.testing.assert_close(fpn(images), sfnet(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ('network', 'backbone', 'message'),
    [
        ('sfnet_light', 'stdc1', "network is 'sfnet_light'; expected one of sfnet_lite, "),
        ('sfnet', 'resnet34', "backbone is 'resnet34'; expected one of resnet18, "),
        ('srnet', 'resnet18', 'srnet runs on resnet50 or resnet101 at stride 8, not on resnet18'),
    ],
)
def test_unknown_names_are_refused(network: str, backbone: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_network(network, backbone)
