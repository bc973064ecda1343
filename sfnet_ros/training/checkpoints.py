"""Checkpoints from which a run goes on exactly, whole at any time."""

from collections.abc import Mapping
from dataclasses import asdict
import os
from pathlib import Path
import pickle
from typing import Any, Protocol

import torch

from .config import Recipe, Source
from ..errors import DataError

# As PyTorch says that a file is cut short, or something else.
_UNREADABLE = (
    pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError
)  # fmt: skip


class Stateful(Protocol):
    """A network, an optimizer: what can be stored and restored."""

    def state_dict(self) -> dict[str, Any]:
        """Return what to store."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Take over what was stored."""
        ...


def save(
    path: Path,
    recipe: Recipe,
    parts: Mapping[str, Stateful],
    step: int,
    data: Mapping[str, str] | None = None,
) -> None:
    """
    Write a checkpoint; whoever reads meanwhile, or after a kill, finds the old one.

    :param data: what is learnt from, see ``sources.inventory``.
    :raises DataError: when it cannot be written; the old one stays.
    """
    content: dict[str, Any] = {name: part.state_dict() for name, part in parts.items()}
    temporary = path.with_suffix('.tmp')
    content |= {'step': step, 'recipe': asdict(recipe), 'data': dict(data or {})}
    try:
        with temporary.open('wb') as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())  # or a power cut leaves the new name and nothing in it
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        raise DataError(
            f'{temporary} cannot be written, the disk is full or not to be written on '
            f'({str(error).splitlines()[0]}); make room, and go on from the checkpoint before'
        ) from error
    os.replace(temporary, path)


def resume(
    path: Path,
    recipe: Recipe,
    parts: Mapping[str, Stateful],
    data: Mapping[str, str] | None = None,
) -> int:
    """
    Load the checkpoint if there is one; returns the step to go on with.

    :param data: as ``save`` takes it; a checkpoint that does not know its data fits any.
    :raises DataError: when it cannot be read, or recipe or data are not those it was written with.
    """
    if not path.is_file():
        return 0
    content = _read(path)
    wanted, found = asdict(recipe), _completed(content['recipe'])
    # What is said about a model decides nothing.
    changed = [key for key in wanted if found.get(key) != wanted[key] and key != 'about']
    if changed:
        raise DataError(
            f'{path} was written with another recipe ({", ".join(changed)} differ); '
            'give another output folder, or the old recipe to go on'
        )
    then, now = content.get('data') or data or {}, data or {}
    for name in now:
        if then.get(name) != now[name]:
            raise DataError(
                f'{path} was written with other data: {name} had {then.get(name, "nothing")}, now '
                f'{now[name]}; give another output folder, or the old data to go on'
            )
    for name, part in parts.items():
        part.load_state_dict(content[name])
    return content['step']


def _read(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except _UNREADABLE as error:
        raise DataError(
            f'{path} cannot be read, it is damaged or no checkpoint; give another output folder, '
            'or remove the file to begin anew'
        ) from error
    if not isinstance(content, dict) or not content.keys() >= {'step', 'recipe'}:
        raise DataError(
            f'{path} holds no step and recipe; expected a checkpoint of sfnet train: give another '
            'output folder'
        )
    return content


def _completed(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return a stored recipe with the defaults of the keys that came after it was stored."""
    sources = {
        key: tuple(asdict(Source(**source)) for source in recipe[key])
        for key in ('sources', 'validation')
    }
    return asdict(Recipe(**recipe)) | sources
