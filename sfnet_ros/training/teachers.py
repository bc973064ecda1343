"""Distillation: what models trained before say of an image, as the target of another."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .config import Recipe
from .soft_labels import softened, SoftLabels
from .. import taxonomies
from ..errors import DataError, ModelError
from ..inference.choice import choose_model, ModelChoice
from ..inference.graph import build_graph
from ..networks.layers import resize


class Teachers:
    """
    The models of ``recipe.teachers`` and those that left soft labels; averaged where they speak.

    No module, so that it is neither trained nor stored with the student.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.temperature = recipe.temperature
        self._classes = len(taxonomies.get(recipe.taxonomy).classes)
        self._mean, self._std = (
            torch.tensor(values).view(1, 3, 1, 1) * 255 for values in (recipe.mean, recipe.std)
        )
        self._graphs = [build_graph(choice) for choice in choose_teachers(recipe)]

    def probabilities(
        self, images: Tensor, size: tuple[int, ...], soft: Sequence[SoftLabels] = ()
    ) -> Tensor:
        """
        Return the softened probabilities of the classes, all zero where nobody knows them.

        :param images: N x 3 x H x W float32, normalised for the student.
        :param size: height and width of the result, N x C x height x width float32.
        :param soft: what is kept in files of each image; none: of no image.
        """
        pixels = images * self._std.to(images.device) + self._mean.to(images.device)
        total = torch.zeros(len(images), self._classes, *size, device=images.device)
        count = torch.full((len(images), 1, *size), len(self._graphs), device=images.device)
        for graph in self._graphs:
            graph.to(images.device)
            own = graph.normalise(pixels.permute(0, 2, 3, 1))
            logits = resize(graph.network.coarse_logits(own), size)
            total += (logits / self.temperature).softmax(dim=1)
        for index, kept in enumerate(soft):
            if kept.logits:
                said, known = softened(kept, size, self.temperature)
                total[index] += said
                count[index] += known
        return total / count.clamp(min=1)


def choose_teachers(recipe: Recipe) -> list[ModelChoice]:
    """Find the models that a recipe names; raises DataError where they cannot teach it."""
    chosen, wanted = [], recipe.taxonomy
    for name in recipe.teachers:
        try:
            choice = choose_model(name)
        except ModelError as error:
            raise DataError(f'teachers of {recipe.name} names {name}: {error}') from error
        found = choice.facts.taxonomy
        if taxonomies.get(found).classes != taxonomies.get(wanted).classes:
            raise DataError(
                f'the teacher {name} knows the classes of {found}, but {wanted} is to be learnt; '
                f'expected a teacher for {wanted}'
            )
        chosen.append(choice)
    return chosen
