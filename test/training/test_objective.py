"""The loss of a batch is the sum of its parts, weighed as the recipe says."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sfnet_ros.errors import DataError
from sfnet_ros.inference.choice import choose_model
from sfnet_ros.inference.graph import build_graph
from sfnet_ros.networks import create_network
from sfnet_ros.training.config import Recipe
from sfnet_ros.training.losses import distillation_loss
from sfnet_ros.training.objective import Objective
from sfnet_ros.training.teachers import Teachers
import torch
import torch.nn.functional as F


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 19, (2, 33, 65), generator=generator)
    labels[:, :5] = 255
    return torch.randn(2, 3, 33, 65, generator=generator), labels


@pytest.mark.parametrize(
    ('network', 'backbone', 'auxiliary', 'given', 'weight'),
    [
        ('sfnet_lite', 'stdc1', 0, None, 1.0),
        ('sfnet_dsn', 'stdc1', 3, None, 1.0),
        ('sfnet_dsn', 'df1', 2, 0.25, 0.25),
        ('srnet', 'resnet50', 1, None, 0.4),
    ],
)
def test_auxiliary_outputs_count_as_released(
    recipe: Recipe,
    network: str,
    backbone: str,
    auxiliary: int,
    given: float | None,
    weight: float,
) -> None:
    """With every pixel kept, each term is the cross-entropy that PyTorch computes."""
    recipe = replace(
        recipe, network=network, backbone=backbone, auxiliary_weight=given, ohem_share=1.0
    )
    model = create_network(network, backbone).eval()
    images, labels = batch()
    with torch.no_grad():
        main, *others = (
            F.cross_entropy(logits, labels, ignore_index=255)
            for logits in model.supervised_logits(images)
        )
        loss = Objective(model, recipe)(images, labels)
    assert len(others) == auxiliary
    assert loss.item() == pytest.approx((main + weight * sum(others)).item(), rel=1e-5)


def test_the_distance_to_teachers_follows_its_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, taught = torch.randn(2, 1, 3, 2, 2, generator=generator)
    taught = taught.softmax(dim=1)
    expected = 0.0
    for row in range(2):
        for column in range(2):
            softened = torch.exp(logits[0, :, row, column] / 2.5)
            student = softened / softened.sum()
            teacher = taught[0, :, row, column]
            expected += float((teacher * torch.log(teacher / student)).sum()) / 4
    assert distillation_loss(logits, taught, 2.5).item() == pytest.approx(expected * 2.5**2)
    alike = (logits / 2.5).softmax(dim=1)
    assert distillation_loss(logits, alike, 2.5).item() == pytest.approx(0, abs=1e-6)


def test_teachers_see_what_they_were_trained_on(
    recipe: Recipe, make_model: Callable[..., Path]
) -> None:
    """Their own mean, deviation and order of channels, whatever the student's are; averaged."""
    folders = [
        make_model('first', mean=(0.3, 0.4, 0.5), std=(0.2, 0.3, 0.4), channel_order='bgr'),
        make_model('second', network='sfnet', backbone='df1'),
    ]
    pixels = torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8)
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) * 255 for x in (recipe.mean, recipe.std))
    images = (pixels.permute(0, 3, 1, 2) - mean) / std
    teachers = Teachers(replace(recipe, teachers=tuple(map(str, folders)), temperature=2.0))
    with torch.no_grad():
        expected = [
            F.interpolate(
                build_graph(choose_model(str(folder))).logits(pixels).permute(0, 3, 1, 2),
                (32, 48), mode='bilinear', align_corners=True,
            )
            for folder in folders
        ]  # fmt: skip
        probabilities = teachers.probabilities(images, (32, 48))
    average = sum((logits / 2).softmax(dim=1) for logits in expected) / 2
    torch.testing.assert_close(probabilities, average, rtol=1e-3, atol=1e-4)


def test_teachers_of_other_classes_are_refused(
    recipe: Recipe, make_model: Callable[..., Path]
) -> None:
    folder = make_model(taxonomy='camvid')
    with pytest.raises(DataError, match='knows the classes of camvid, but cityscapes is to be'):
        Teachers(replace(recipe, teachers=(str(folder),)))
