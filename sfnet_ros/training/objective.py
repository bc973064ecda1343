"""What is minimised: a batch to its loss, in one module that several processes can share."""

from collections.abc import Sequence

import torch
from torch import nn, Tensor

from .config import Recipe
from .losses import distillation_loss, hardest_mean, pixel_losses, thinned
from .soft_labels import SoftLabels
from .teachers import Teachers
from .. import taxonomies
from ..errors import DataError
from ..networks import SegmentationNetwork

_TYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16}
# Of the auxiliary logits, as the released trainer weighs them: deep supervision of SFNet by 1.0
# (--fpn_dsn_loss), the auxiliary layer of SRNet by 0.4 (--aux). The papers give no number.
_AUXILIARY_WEIGHTS = {'srnet': 0.4}


class Objective(nn.Module):
    """
    The loss of a network: OHEM on every output, and the distance to the teachers.

    SFNet keeps the 10 % hardest pixels (ECCV 2020, section 4.1), its released trainer 10,000 or
    100,000 of a batch; ``ohem_share`` is the paper's way, so that crops of any size train alike.
    """

    groups: Tensor
    class_weights: Tensor

    def __init__(self, network: SegmentationNetwork, recipe: Recipe) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        weight = recipe.auxiliary_weight
        self.auxiliary_weight = (
            _AUXILIARY_WEIGHTS.get(recipe.network, 1.0) if weight is None else weight
        )
        self.register_buffer('groups', _groups(recipe.taxonomy), persistent=False)
        self.register_buffer('class_weights', _class_weights(recipe), persistent=False)
        taught = recipe.teachers or any(source.soft for source in recipe.sources)
        self.teachers = Teachers(recipe) if taught else None

    def forward(self, images: Tensor, labels: Tensor, soft: Sequence[SoftLabels] = ()) -> Tensor:
        """
        Return the loss, a scalar.

        :param images: N x 3 x H x W float32, normalised for the network.
        :param labels: N x H x W int64 as ``pixel_losses`` takes them.
        :param soft: what teachers said before of each image; none: of no image.
        """
        recipe = self.recipe
        precision, device = recipe.precision, images.device.type
        with torch.autocast(device, _TYPES[precision], precision != 'fp32'):
            outputs = self.network.supervised_logits(images, recipe.loss_stride)  # N x C x h x w
        size = outputs[0].shape[-2:]
        labels = thinned(labels, size)
        main, *auxiliary = (
            hardest_mean(
                *pixel_losses(logits, labels, self.groups, self.class_weights),
                recipe.ohem_probability,
                recipe.ohem_share,
            )
            for logits in outputs
        )
        loss = main + self.auxiliary_weight * sum(auxiliary)
        if self.teachers is None:
            return loss
        with torch.no_grad(), torch.autocast(device, _TYPES[precision], precision != 'fp32'):
            taught = self.teachers.probabilities(images, size, soft)
        return loss + recipe.distillation_weight * distillation_loss(
            outputs[0], taught, recipe.temperature
        )


def _class_weights(recipe: Recipe) -> Tensor:
    """Return the weights of all classes, C float32; raises DataError for unknown names."""
    classes = taxonomies.get(recipe.taxonomy).classes
    if unknown := [name for name in recipe.class_weights if name not in classes]:
        raise DataError(
            f'class_weights of {recipe.name} names {", ".join(unknown)}; expected of '
            f'{recipe.taxonomy}: {", ".join(classes)}'
        )
    return torch.tensor([float(recipe.class_weights.get(name, 1)) for name in classes])


def _groups(taxonomy: str) -> Tensor:
    """Return which classes the coarse labels comprise: K x C bool (one coarse taxonomy so far)."""
    coarse = taxonomies.COARSE[0]
    count, kinds = (len(taxonomies.get(name).classes) for name in (taxonomy, coarse))
    if taxonomy.endswith(taxonomies.TABLE_SUFFIX):
        return torch.zeros(kinds, count, dtype=torch.bool)
    table = taxonomies.conversion(taxonomy, coarse)[:count]
    return torch.arange(kinds)[:, None] == torch.from_numpy(table.astype('int64'))[None]
