"""
The optimizer, its learning rate, and the running average of the weights.

SGD with momentum 0.9 and the poly schedule are those of SFNet (ECCV 2020, section 4.1), applied at
every iteration as the paper says; the released trainer does it once an epoch, with power 1, decays
biases and norms as well, and by 1e-4 instead of the paper's 5e-4.
"""

import torch
from torch import nn

from .config import Recipe


def build_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
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


def rate(recipe: Recipe, step: int) -> float:
    """Return the learning rate of a step: linear warm-up, then poly decay."""
    warmup = min(1.0, (step + 1) / max(1, recipe.warmup_steps))
    return recipe.learning_rate * warmup * (1 - step / recipe.steps) ** recipe.poly_power


def set_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Set the learning rate of every group, times its own factor."""
    for group in optimizer.param_groups:
        group['lr'] = group['factor'] * value


@torch.no_grad()
def move_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the average towards the network; counters are copied."""
    for mean, value in zip(
        average.state_dict().values(), network.state_dict().values(), strict=True
    ):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)


def freeze_norms(network: nn.Module) -> None:
    """Keep the statistics of all batch norms as they are; scales and shifts are still learnt."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
