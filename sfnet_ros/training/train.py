"""The training loop: forward, backward, a step; checkpoints from which a run resumes exactly."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import copy
import math
from pathlib import Path

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from tqdm import tqdm

from .checkpoints import resume, save, Stateful
from .config import Recipe
from .initial import load_initial
from .journal import Journal
from .memory import cache_bytes
from .objective import Objective
from .optimizing import build_optimizer, freeze_norms, move_average, rate, set_rate
from .samples import Batch, collate, TrainingSamples
from .sources import inventory
from .survey import Places, survey
from .team import Team
from .. import taxonomies
from ..errors import DataError
from ..networks import create_network

CHECKPOINT = 'checkpoint.pt'


@contextmanager
def _loading_told() -> Iterator[None]:
    """Say in words for people what ends the processes that load images."""
    try:
        yield
    except DataError as error:
        # Of a file that has gone since the start; the lines before say where that was noticed.
        text = str(error)
        if not text.startswith('Caught DataError in DataLoader worker'):
            raise
        raise DataError(text.splitlines()[-1].partition('DataError: ')[2]) from error
    except RuntimeError as error:
        # Raised wherever training stands when such a process is gone.
        if 'DataLoader worker' not in str(error):
            raise
        raise DataError(
            f'a process that loads images was ended ({str(error).splitlines()[0]}); expected '
            'memory enough: in a container give it more to share (docker run --shm-size=2g), '
            'elsewhere choose a smaller batch or crop; the same command goes on'
        ) from error


@_loading_told()
def train(
    recipe: Recipe,
    data: Path,
    output: Path,
    save_every: int = 100,
    team: Team | None = None,
    tensorboard: bool = False,
    places: Sequence[Places] | None = None,
) -> nn.Module:
    """
    Train, or go on where ``output/checkpoint.pt`` stands; returns the averaged network.

    Half of the cores load data. What they keep decoded is bounded for all of them together: 4 GiB,
    and a quarter of the memory that is available at the start (``memory``).

    :param data: the folder that the roots of the recipe's sources are relative to.
    :param output: gets the checkpoint and what ``journal`` writes.
    :param save_every: steps between checkpoints, and between sample pictures.
    :param places: what ``survey`` found; None: it is asked here.
    :raises DataError: before the first step, with all that is wrong with the data; later when
        the loss is no number any more.
    """
    output.mkdir(parents=True, exist_ok=True)
    team = team or Team(device='cuda' if torch.cuda.is_available() else 'cpu')
    if team.leads and places is None:
        places = survey(recipe, data)
    keep = cache_bytes(team.loaders * team.local_size)
    samples = TrainingSamples(recipe, data, team.shared(places), keep)
    _check_batch(recipe, team)
    network, average, objective = _networks(recipe, team)
    optimizer = build_optimizer(network, recipe)
    parts: dict[str, Stateful] = {'network': network, 'average': average, 'optimizer': optimizer}
    learnt_from = team.shared(inventory(recipe, data) if team.leads else None)
    start = resume(output / CHECKPOINT, recipe, parts, learnt_from)
    team.check_together(start, output)
    batches = _batches(samples, recipe, start, team)
    journal = Journal(output, recipe, start, tensorboard) if team.leads else None

    for step, batch in enumerate(batches, start):
        # Dropout draws from here: a function of the step, so that a run resumes exactly.
        torch.manual_seed((recipe.seed * recipe.steps + step) * team.size + team.rank)
        set_rate(optimizer, rate(recipe, step))
        loss = objective(*batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        move_average(average, network, min(recipe.ema, (step + 1) / (step + 10)))
        mean_loss = team.mean(loss)
        _check_loss(mean_loss, step, recipe)
        if journal:
            journal.note(step, mean_loss, rate(recipe, step))
            if (step + 1) % save_every == 0 or step + 1 == recipe.steps:
                journal.show(step, average, batch)
                save(output / CHECKPOINT, recipe, parts, step + 1, learnt_from)
    if journal:
        journal.close()
    return average


def _check_batch(recipe: Recipe, team: Team) -> None:
    """Raise DataError where a norm would see one value only: of one crop, pooled to a pixel."""
    together = team.size > 1 and team.device != 'cpu'  # the norms of GPUs see all crops
    pooled = recipe.network not in ('sfnet_sr', 'srnet')
    if team.part(recipe.batch) == 1 and pooled and not (together or recipe.freeze_norms):
        raise DataError(
            f'batch is {recipe.batch} for {team.size} process(es), one crop for each, of which '
            'the norms of pyramid pooling have no statistics; expected two or more for each, or '
            'freeze_norms'
        )


def _check_loss(loss: float, step: int, recipe: Recipe) -> None:
    """Raise DataError where the weights have been lost: they would never come back."""
    if not math.isfinite(loss):
        raise DataError(
            f'the loss is {loss} at step {step}; expected a number, and the weights have none any '
            f'more: lower learning_rate ({recipe.learning_rate}) or raise warmup_steps '
            f'({recipe.warmup_steps}), and give another output folder'
        )


def _networks(recipe: Recipe, team: Team) -> tuple[nn.Module, nn.Module, nn.Module]:
    """Return the network to train, its average, and the loss of the first."""
    torch.manual_seed(recipe.seed)
    classes = taxonomies.get(recipe.taxonomy).classes
    network = create_network(recipe.network, recipe.backbone, len(classes))
    load_initial(network, recipe.initial)
    network.to(team.device, memory_format=torch.channels_last).train()
    average = copy.deepcopy(network).requires_grad_(False).eval()
    if recipe.freeze_norms:
        freeze_norms(network)
    objective: nn.Module = Objective(network, recipe).to(team.device)
    if team.size > 1:
        if team.device != 'cpu':  # PyTorch has it for GPUs only
            nn.SyncBatchNorm.convert_sync_batchnorm(network)
        # Statistics of norms are in step already, or each process's own.
        objective = DistributedDataParallel(objective, broadcast_buffers=False)
    return network, average, objective


def _batches(samples: TrainingSamples, recipe: Recipe, start: int, team: Team) -> Iterator[Batch]:
    """Yield this process's part of every batch from a step on, behind a progress bar."""
    indices = range(start * recipe.batch + team.rank, len(samples), team.size)
    loader = DataLoader(
        samples,
        team.part(recipe.batch),
        sampler=indices,
        collate_fn=collate,
        num_workers=team.loaders,
        pin_memory=team.device != 'cpu',
        # One of its own: the loader must not draw from the one that dropout draws from.
        generator=torch.Generator(),
    )
    progress = tqdm(
        loader, recipe.name, initial=start, total=recipe.steps, unit='step',
        disable=not team.leads,
    )  # fmt: skip
    for batch in progress:
        yield batch.to(team.device)
