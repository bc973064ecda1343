"""Recipes that the package brings are read, and name what there is."""

from pathlib import Path

import pytest
from sfnet_ros.evaluation.layouts import LAYOUTS
from sfnet_ros.networks import PAIRS
from sfnet_ros.training.config import read_recipe
from sfnet_ros.training.sources import class_ids

ROOT = Path(__file__).resolve().parents[2]
RECIPES = [
    path
    for folder in ('config/recipes', 'models')
    for path in ROOT.glob(f'{folder}/**/*.yaml')
    if path.name != 'model.yaml'
]


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: str(path.relative_to(ROOT)))
def test_recipes_are_read(path: Path) -> None:
    recipe = read_recipe(path)
    assert (recipe.network, recipe.backbone) in PAIRS
    assert recipe.steps > recipe.warmup_steps
    for source in (*recipe.sources, *recipe.validation):
        assert source.layout in {*LAYOUTS, 'scenes', 'images'}
        assert class_ids(source.classes, recipe)


def test_there_are_recipes() -> None:
    assert len(RECIPES) >= 2
