"""Checkpoints from which a run goes on exactly, whole at any time."""

from collections.abc import Mapping
from dataclasses import asdict
import os
from pathlib import Path
from typing import Any, Protocol

import torch

from .config import Recipe, Source
from ..errors import DataError


class Stateful(Protocol):
    """A network, an optimizer: what can be stored and restored."""

    def state_dict(self) -> dict[str, Any]:
        """Return what to store."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Take over what was stored."""
        ...


def save(path: Path, recipe: Recipe, parts: Mapping[str, Stateful], step: int) -> None:
    """Write a checkpoint; whoever reads meanwhile, or after a kill, finds the old one."""
    content = {name: part.state_dict() for name, part in parts.items()}
    temporary = path.with_suffix('.tmp')
    torch.save(content | {'step': step, 'recipe': asdict(recipe)}, temporary)
    os.replace(temporary, path)


def resume(path: Path, recipe: Recipe, parts: Mapping[str, Stateful]) -> int:
    """Load the checkpoint if there is one; returns the step to go on with."""
    if not path.is_file():
        return 0
    content = torch.load(path, map_location='cpu', weights_only=True)
    wanted, found = asdict(recipe), _completed(content['recipe'])
    if changed := [key for key in wanted if found.get(key) != wanted[key]]:
        raise DataError(
            f'{path} was written with another recipe ({", ".join(changed)} differ); '
            'give another output folder, or the old recipe to go on'
        )
    for name, part in parts.items():
        part.load_state_dict(content[name])
    return content['step']


def _completed(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return a stored recipe with the defaults of the keys that came after it was stored."""
    sources = {
        key: tuple(asdict(Source(**source)) for source in recipe[key])
        for key in ('sources', 'validation')
    }
    return asdict(Recipe(**recipe)) | sources
