"""
The training loop: forward, backward, a step; checkpoints from which a run resumes exactly.

SGD with momentum 0.9 and the poly schedule are those of SFNet (ECCV 2020, section 4.1), applied at
every iteration as the paper says (the released trainer does it once an epoch).
"""

import copy
import csv
from dataclasses import asdict
import os
from pathlib import Path

import torch
from torch import nn, Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from .config import Recipe
from .initial import load_initial
from .losses import hardest_mean, pixel_losses, thinned
from .samples import TrainingSamples
from .. import taxonomies
from ..errors import DataError
from ..networks import create_network

_TYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16}
CHECKPOINT = 'checkpoint.pt'


def train(recipe: Recipe, data: Path, output: Path, save_every: int = 250) -> nn.Module:
    """
    Train, or go on where ``output/checkpoint.pt`` stands; returns the averaged network.

    :param data: the folder that the roots of the recipe's sources are relative to.
    :param output: gets the checkpoint and ``log.csv`` (step, loss, learning rate).
    """
    output.mkdir(parents=True, exist_ok=True)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    torch.manual_seed(recipe.seed)
    classes = taxonomies.get(recipe.taxonomy).classes
    network = create_network(recipe.network, recipe.backbone, len(classes))
    load_initial(network, recipe.initial)
    network.to(device, memory_format=torch.channels_last).train()
    average = copy.deepcopy(network).requires_grad_(False)
    optimizer = _optimizer(network, recipe)
    start = _resume(output / CHECKPOINT, recipe, network, average, optimizer)
    groups = _groups(recipe.taxonomy).to(device)

    samples = TrainingSamples(recipe, data)
    indices = range(start * recipe.batch, len(samples))
    # A generator of its own: the loader must not draw from the one that dropout draws from.
    own = torch.Generator()
    loader = DataLoader(samples, recipe.batch, sampler=indices, num_workers=1, generator=own)
    progress = tqdm(loader, initial=start, total=recipe.steps, desc=recipe.name, unit='step')
    log_path = output / 'log.csv'
    kept = log_path.read_text().splitlines(keepends=True)[:start] if start else []
    with log_path.open('w', newline='') as file:
        file.writelines(kept)
        log = csv.writer(file, lineterminator='\n')
        for step, (images, labels) in enumerate(progress, start):
            for group in optimizer.param_groups:
                group['lr'] = group['factor'] * rate(recipe, step)
            images = images.to(device, memory_format=torch.channels_last)
            with torch.autocast(device, _TYPES[recipe.precision], recipe.precision != 'fp32'):
                outputs = network.supervised_logits(images, recipe.loss_stride)  # N x C x h x w
            loss = _loss(outputs, labels.to(device), groups, recipe)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            _update(average, network, min(recipe.ema, (step + 1) / (step + 10)))
            log.writerow((step, f'{loss.item():.5f}', f'{rate(recipe, step):.3e}'))
            if step % 10 == 0:
                progress.set_postfix(loss=f'{loss.item():.3f}')
            if (step + 1) % save_every == 0 or step + 1 == recipe.steps:
                file.flush()
                _save(output / CHECKPOINT, recipe, network, average, optimizer, step + 1)
    return average.eval()


def rate(recipe: Recipe, step: int) -> float:
    """Return the learning rate of a step: linear warm-up, then poly decay."""
    warmup = min(1.0, (step + 1) / max(1, recipe.warmup_steps))
    return recipe.learning_rate * warmup * (1 - step / recipe.steps) ** recipe.poly_power


def _loss(outputs: list[Tensor], labels: Tensor, groups: Tensor, recipe: Recipe) -> Tensor:
    labels = thinned(labels, outputs[0].shape[-2:])
    losses = [
        hardest_mean(
            pixel_losses(logits, labels, groups), recipe.ohem_probability, recipe.ohem_share
        )
        for logits in outputs
    ]
    return sum(losses[1:], losses[0])


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Build the optimizer; biases and norms are not decayed."""
    groups = []
    for part, factor in ((network.backbone, recipe.backbone_rate), (network.head, 1.0)):
        parameters = list(part.parameters())
        for decayed in (True, False):
            chosen = [p for p in parameters if (p.ndim > 1) == decayed]
            decay = recipe.weight_decay if decayed else 0.0
            groups.append({'params': chosen, 'weight_decay': decay, 'factor': factor})
    if recipe.optimizer == 'adamw':
        return torch.optim.AdamW(groups, recipe.learning_rate)
    return torch.optim.SGD(groups, recipe.learning_rate, momentum=0.9)


def _groups(taxonomy: str) -> Tensor:
    """Return which classes the coarse labels comprise: K x C bool (one coarse taxonomy so far)."""
    coarse = taxonomies.COARSE[0]
    count = len(taxonomies.get(taxonomy).classes)
    table = taxonomies.conversion(taxonomy, coarse)[:count]
    kinds = len(taxonomies.get(coarse).classes)
    return torch.arange(kinds)[:, None] == torch.from_numpy(table.astype('int64'))[None]


@torch.no_grad()
def _update(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the average towards the network; counters are copied."""
    for mean, value in zip(
        average.state_dict().values(), network.state_dict().values(), strict=True
    ):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)


def _save(
    path: Path,
    recipe: Recipe,
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    step: int,
) -> None:
    content = {
        'step': step,
        'recipe': asdict(recipe),
        'network': network.state_dict(),
        'average': average.state_dict(),
        'optimizer': optimizer.state_dict(),
        'random': torch.get_rng_state(),
    }
    temporary = path.with_suffix('.tmp')
    torch.save(content, temporary)
    os.replace(temporary, path)


def _resume(
    path: Path,
    recipe: Recipe,
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> int:
    """Load the checkpoint if there is one; returns the step to go on with."""
    if not path.is_file():
        return 0
    content = torch.load(path, map_location='cpu', weights_only=True)
    if content['recipe'] != asdict(recipe):
        changed = [key for key, value in asdict(recipe).items() if content['recipe'][key] != value]
        raise DataError(
            f'{path} was written with another recipe ({", ".join(changed)} differ); '
            'give another output folder, or the old recipe to go on'
        )
    network.load_state_dict(content['network'])
    average.load_state_dict(content['average'])
    optimizer.load_state_dict(content['optimizer'])
    torch.set_rng_state(content['random'])
    return content['step']
