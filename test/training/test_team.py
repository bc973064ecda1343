"""Several processes train as one does, and one of them writes."""

from collections.abc import Callable
from dataclasses import asdict, replace
import json
import os
from pathlib import Path
import subprocess
import sys

import cv2
import numpy as np
import pytest
from safetensors.torch import load_file
from sfnet_ros.errors import DataError
from sfnet_ros.training.config import read_recipe, Recipe, Source, write_recipe
from sfnet_ros.training.team import joined_team, Team
from sfnet_ros.training.train import train
import torch
import yaml

ROOT = Path(__file__).resolve().parents[2]


def run(recipe: Path, data: Path, output: Path, processes: int) -> None:
    """Train by the command, under torchrun when there are several processes."""
    launcher = ['-m', 'torch.distributed.run', '--standalone', f'--nproc-per-node={processes}']
    command = [sys.executable, *(launcher if processes > 1 else [])]
    command += ['-m', 'sfnet_ros.cli', 'train', str(recipe), '--data', str(data)]
    environ = os.environ | {'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(
        [*command, '--output', str(output), '--save-every', '2'],
        env=environ, cwd=data, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def losses(output: Path) -> list[float]:
    return [float(line.split(',')[1]) for line in (output / 'log.csv').read_text().splitlines()]


@pytest.mark.slow
def test_two_processes_train_as_one(
    streets: Callable[..., Path], recipe: Recipe, make_model: Callable[..., Path], tmp_path: Path
) -> None:
    """
    The batch of a recipe is that of all processes, so the runs are alike to rounding.

    For that the norms are frozen (each process would see half of the batch), every pixel counts
    (the hardest are chosen by each process), all are labelled, and nothing is dropped out.
    """
    data = streets(4)
    for path in (data / 'labels').iterdir():
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), np.where(labels == 255, 0, labels))
        logits = np.random.default_rng(int(path.stem)).normal(size=(12, 20, 19))
        (data / 'soft').mkdir(exist_ok=True)
        np.savez_compressed(data / 'soft' / f'{path.stem}.npz', logits=logits.astype(np.float16))
    exact = replace(
        recipe,
        network='sfnet_sr',
        initial=str(make_model(network='sfnet_sr')),
        # Crops that shrink lie between the pixels of the image: all of them are taught.
        sources=(Source('folder', '', '', scale=(0.8, 0.9), soft=('soft',)),),
        batch=4,
        steps=4,
        aspect=1.0,
        learning_rate=0.0001,
        ohem_share=1.0,
        freeze_norms=True,
    )
    path = tmp_path / 'recipe.yaml'
    path.write_text(yaml.safe_dump(json.loads(json.dumps(asdict(exact)))))
    outputs = tmp_path / 'one', tmp_path / 'two'
    for output, processes in zip(outputs, (1, 2), strict=True):
        run(path, data, output, processes)
    one, two = map(losses, outputs)
    assert len(two) == 4
    assert two == pytest.approx(one, rel=1e-4)
    first, second = (load_file(output / 'model' / 'weights.safetensors') for output in outputs)
    moved = max((first[key] - second[key]).abs().max() for key in first)
    assert moved < 1e-4


@pytest.mark.slow
def test_machines_that_do_not_share_the_output_are_told(
    data: Path, recipe: Recipe, tmp_path: Path
) -> None:
    """Each process in a folder of its own: only the first one finds what a run left."""
    path = tmp_path / 'recipe.yaml'
    write_recipe(path, replace(recipe, batch=4, steps=1, validation=()))
    for rank in (0, 1):
        (tmp_path / str(rank)).mkdir()
    train(read_recipe(path), data, tmp_path / '0' / 'out')
    script = f'cd $RANK && {sys.executable} -m sfnet_ros.cli train {path} --data {data}'
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2']
    command += ['--no-python', 'bash', '-c', f'{script} --output out']
    environ = os.environ | {'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(
        command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert done.returncode != 0
    assert 'process 1 found step 0 in out, the first one step 1; expected one' in done.stderr


def test_alone_there_is_a_team_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('WORLD_SIZE', raising=False)
    with joined_team() as team:
        assert (team.leads, team.size) == (True, 1)
        assert team.device.startswith('cuda' if torch.cuda.is_available() else 'cpu')
        assert team.shared('x') == 'x'


def test_a_batch_is_shared_evenly() -> None:
    assert Team(size=4).part(8) == 2
    with pytest.raises(DataError, match='a batch of 6 cannot be shared by 4 processes'):
        Team(size=4).part(6)


def test_the_processes_of_a_machine_load_with_half_of_its_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, 'cpu_count', lambda: 32)
    assert Team().loaders == 16
    assert Team(size=8, local_size=4).loaders == 4
    assert Team(size=64, local_size=64).loaders == 1
