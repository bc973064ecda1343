"""Every network can learn: one picture by heart, with the loss and the optimizer of training."""

from dataclasses import replace

import numpy as np
import pytest
from sfnet_ros.networks import create_network, PAIRS
from sfnet_ros.training.config import Recipe
from sfnet_ros.training.objective import Objective
from sfnet_ros.training.optimizing import build_optimizer, set_rate
import torch

_HEIGHT, _WIDTH = 64, 96
_MOST_STEPS = 200
_RIGHT = 0.99
# Every head, and every kind of backbone; the other pairs take ten minutes.
_QUICK = {
    *((network, 'stdc1') for network, _ in PAIRS),
    *(('sfnet_lite', name) for name in ('resnet18', 'df2', 'shufflenet_v2', 'efficientnet_lite0')),
}


def textured() -> tuple[torch.Tensor, torch.Tensor]:
    """Return four textures in rectangles, two of them told apart by direction alone; mirrored."""
    rows, columns = np.mgrid[:_HEIGHT, :_WIDTH]
    labels = np.zeros((_HEIGHT, _WIDTH), np.int64)
    labels[_HEIGHT // 2 :] = 1
    labels[:, 2 * _WIDTH // 3 :] = 2
    labels[3 * _HEIGHT // 4 :, : _WIDTH // 3] = 3
    stripes = np.stack((rows // 2 % 2, columns // 2 % 2, rows * 0 + 1.5, rows * 0 - 1.0))
    grey = np.take_along_axis(stripes, labels[None], axis=0)
    image = grey + np.random.default_rng(0).normal(0, 0.1, (3, _HEIGHT, _WIDTH))
    images = torch.from_numpy(np.stack((image, image[..., ::-1])).astype(np.float32))
    return images, torch.from_numpy(np.stack((labels, labels[:, ::-1])))


@pytest.mark.parametrize(
    ('network', 'backbone'),
    [
        pair if pair in _QUICK else pytest.param(*pair, marks=pytest.mark.exhaustive)
        for pair in PAIRS
    ],
)
def test_one_picture_is_learnt_by_heart(recipe: Recipe, network: str, backbone: str) -> None:
    torch.manual_seed(0)
    recipe = replace(
        recipe, network=network, backbone=backbone, optimizer='adamw', learning_rate=0.001
    )
    model = create_network(network, backbone)
    for layer in model.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.momentum = 0.3  # a few steps suffice for the statistics of two pictures
    objective, optimizer = Objective(model, recipe), build_optimizer(model, recipe)
    set_rate(optimizer, recipe.learning_rate)
    images, labels = textured()
    best = 0.0
    for step in range(_MOST_STEPS):
        optimizer.zero_grad()
        objective.train()(images, labels).backward()
        optimizer.step()
        if step % 5 == 4:
            with torch.no_grad():
                right = model.eval()(images).argmax(dim=1) == labels
            best = max(best, right.float().mean().item())
        if best > _RIGHT:
            break
    assert best > _RIGHT
