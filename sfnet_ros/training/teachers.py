"""Distillation: what models trained before say of an image, as the target of another."""

import torch
from torch import Tensor

from .config import Recipe
from .. import taxonomies
from ..errors import DataError
from ..inference.choice import choose_model
from ..inference.graph import build_graph, SegmentationGraph
from ..networks.layers import resize


class Teachers:
    """
    The models of ``recipe.teachers``; their probabilities are averaged.

    No module, so that it is neither trained nor stored with the student.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.temperature = recipe.temperature
        self._mean, self._std = (
            torch.tensor(values).view(1, 3, 1, 1) * 255 for values in (recipe.mean, recipe.std)
        )
        self._graphs = [_teacher(name, recipe.taxonomy) for name in recipe.teachers]

    def probabilities(self, images: Tensor, size: tuple[int, ...]) -> Tensor:
        """
        Return the softened probabilities of the classes.

        :param images: N x 3 x H x W float32, normalised for the student.
        :param size: height and width of the result, N x C x height x width float32.
        """
        pixels = images * self._std.to(images.device) + self._mean.to(images.device)
        total = torch.zeros((), device=images.device)
        for graph in self._graphs:
            graph.to(images.device)
            own = graph.normalise(pixels.permute(0, 2, 3, 1))
            logits = resize(graph.network.coarse_logits(own), size)
            total = total + (logits / self.temperature).softmax(dim=1)
        return total / len(self._graphs)


def _teacher(name: str, taxonomy: str) -> SegmentationGraph:
    choice = choose_model(name)
    found = choice.facts.taxonomy
    if taxonomies.get(found).classes != taxonomies.get(taxonomy).classes:
        raise DataError(
            f'the teacher {name} knows the classes of {found}, but {taxonomy} is to be learnt; '
            f'expected a teacher for {taxonomy}'
        )
    return build_graph(choice)
