"""Results of single sources in a folder, so that a run can go on where it was stopped."""

from collections.abc import Sequence
from dataclasses import asdict
import hashlib
import json
import os
from pathlib import Path
import re
from typing import Any

from .models import Setup
from .samples import SourceSpec
from .. import inference
from ..errors import DataError

Outcome = dict[str, Any]
# Part of the key of a kept result: it rises when the same files would give other figures.
_VERSION = 2


class Kept:
    """Results of sources in a folder, under keys of everything that decides about them."""

    def __init__(self, folder: Path | None, specs: Sequence[SourceSpec], setup: Setup) -> None:
        self._folder = folder
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f'{folder} cannot be made: {error}; give another --resume') from error
        self._paths = {spec: folder / f'{_slug(spec)}-{_key(spec, setup)}.json' for spec in specs}

    def read(self, spec: SourceSpec) -> Outcome | None:
        """Return what was kept of a source, or None."""
        if self._folder is None:
            return None
        try:
            return json.loads(self._paths[spec].read_text(encoding='utf-8'))
        except (OSError, ValueError):
            return None

    def write(self, spec: SourceSpec, outcome: Outcome) -> None:
        """Keep a result that is complete; others are tried again."""
        if self._folder is None or outcome['result']['state'] != 'complete':
            return
        path = self._paths[spec]
        part = path.with_suffix(f'.{os.getpid()}.part')
        part.write_text(json.dumps(outcome), encoding='utf-8')
        part.replace(path)


def _slug(spec: SourceSpec) -> str:
    return re.sub(r'[^A-Za-z0-9_.-]+', '_', Path(spec.path).name)[:60] or 'source'


def _key(spec: SourceSpec, setup: Setup) -> str:
    model = setup.model
    asked = [model.get(key, '') for key in ('weights', 'network', 'backbone', 'dataset')]
    files = [inference.choose_model(*asked).weights]
    if setup.against:
        files.append(inference.choose_model(setup.against).weights)
    files += [Path(name) for name in (spec.path, spec.labels, spec.label_palette) if name]
    content = [_VERSION, asdict(spec), asdict(setup), [_state(path) for path in files]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _state(path: Path) -> list[list[Any]]:
    """Return name, size and time of every file under a path: what changes when it is changed."""
    path = path.expanduser()
    files = sorted(path.rglob('*')) if path.is_dir() else [path]
    return [
        [str(file), file.stat().st_size, file.stat().st_mtime_ns]
        for file in files
        if file.is_file()
    ]
