"""PyTorch: the truth in float32 on a CPU, and the fallback everywhere."""

import numpy as np
import torch
from torch import nn

from ..checkpoints import read_state
from ..choice import ModelChoice
from ..graph import AveragedGraph, build_graph
from ..models import file_sha256
from ... import taxonomies
from ...errors import BackendError, CheckpointError, ImageError, ModelError
from ...networks import class_count, from_official_names
from ...networks.alignment import recorded_flows

_TYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


class TorchBackend:
    """Runs the graph eagerly, on the first CUDA device if there is one."""

    name = 'torch'

    def __init__(self, choice: ModelChoice, precision: str, reason: str, device: str = '') -> None:
        self.facts = facts = choice.facts
        self.reason = reason
        self.device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
        self.precision = 'fp32' if precision == 'auto' else precision
        if self.precision == 'fp16' and self.device == 'cpu':
            raise BackendError(
                'precision fp16 on the torch backend needs a CUDA device and none was found; '
                'expected auto, fp32 or bf16 on a CPU'
            )
        self.input_size = (facts.input_height, facts.input_width)
        num_classes = len(taxonomies.get(facts.taxonomy).classes)
        self._graph = build_graph(
            facts.network,
            facts.backbone,
            num_classes,
            _checked_state(choice, num_classes),
            facts.mean,
            facts.std,
            self.input_size,
        ).to(self.device, memory_format=torch.channels_last)

    def infer(self, images: np.ndarray) -> np.ndarray:
        """Map N x H x W x 3 uint8 RGB to N x H x W uint8 class ids."""
        return self._run(self._graph, images).cpu().numpy()

    def infer_averaged(
        self, images: np.ndarray, scales: tuple[float, ...], flip: bool
    ) -> np.ndarray:
        """Map images to ids as the papers' tables do, logits averaged; many times as slow."""
        return self._run(AveragedGraph(self._graph, scales, flip), images).cpu().numpy()

    def flows(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """
        Return what the alignment modules learnt to move, by name of the module.

        :param image: H x W x 3 uint8 RGB.
        :return: h x w x 2 float32 each: shift of the sampling point along x and y, in pixels of
            that level's feature map (half of the flow, SFNet equation 2).
        """
        with recorded_flows(self._graph.network) as flows:
            self._run(self._graph, image[None])
        return {
            name.removeprefix('head.'): flow[0].float().cpu().permute(1, 2, 0).numpy() / 2
            for name, flow in flows.items()
        }

    def _run(self, graph: nn.Module, images: np.ndarray) -> torch.Tensor:
        if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
            raise ImageError(
                f'images are {images.dtype} of shape {images.shape}; expected uint8 N x H x W x 3'
            )
        batch = torch.from_numpy(np.ascontiguousarray(images)).to(self.device)
        if self.facts.channel_order == 'bgr':
            batch = batch.flip(-1)
        with (
            torch.inference_mode(),
            torch.autocast(self.device, _TYPES[self.precision], enabled=self.precision != 'fp32'),
        ):
            return graph(batch)

    def close(self) -> None:
        """Free the weights."""
        del self._graph


def _checked_state(choice: ModelChoice, num_classes: int) -> dict[str, torch.Tensor]:
    """Read the weights; refuse a file that is not the one of the facts or has other classes."""
    facts, path = choice.facts, choice.weights
    if not path.is_file():
        raise ModelError(f'the weights {path} of model {facts.name} are missing; restore the file')
    if choice.verified and (found := file_sha256(path)) != facts.sha256:
        raise CheckpointError(
            f'{path} has sha256 {found[:12]}..., expected {facts.sha256[:12]}... as model.yaml '
            'says: the file is damaged or was replaced; restore it or import it again'
        )
    state = from_official_names(read_state(path))
    found_classes = class_count(state)
    if found_classes and found_classes != num_classes:
        raise CheckpointError(
            f'{path} was trained for {found_classes} classes, but {facts.taxonomy} has '
            f'{num_classes}; set dataset to the taxonomy of the weights'
        )
    return state
