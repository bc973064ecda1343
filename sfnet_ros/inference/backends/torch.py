"""PyTorch: the truth in float32 on a CPU, and the fallback everywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn, Tensor

from . import Backend, Prediction
from .torch_recording import Recording
from ..choice import ModelChoice
from ..conversion import reference_ids
from ..graph import AveragedGraph, build_graph, SegmentationGraph
from ..parity import agreement, parity_image, Verdict
from ..pixels import checked_batch, fit
from ..rounding import rounded_kernels
from ..tail import interpolated_confidence, upsampled_argmax
from ...errors import BackendError
from ...networks.alignment import finest_shift, recorded_flows, shift

_Finished = tuple[np.ndarray, np.ndarray | None]
_TYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


class TorchBackend(Backend):
    """
    Runs the graph on the first CUDA device if there is one, else on the CPU.

    On a GPU a single image is a CUDA graph; several run eagerly, as they keep it busy longer than
    it takes to launch their kernels.

    Precision ``auto`` is fp16 on a GPU, and bf16 on a CPU that computes in it, where the ids agree
    with those of fp32 on a CPU, and fp32 otherwise; ids that do not agree in the end refuse the
    backend.

    :param device: cuda or cpu; '' for the first CUDA device if there is one.
    :param checked: False: the first precision is used, whatever its ids.
    """

    name = 'torch'

    def __init__(
        self,
        choice: ModelChoice,
        precision: str,
        reason: str,
        device: str = '',
        checked: bool = True,
    ) -> None:
        self.facts = choice.facts
        self.reason = reason
        self.device = device or ('cuda' if has_cuda() else 'cpu')
        self.batches = self.device == 'cuda'
        if precision == 'fp16' and self.device == 'cpu':
            raise BackendError(
                'precision fp16 on the torch backend needs a CUDA device and none was found; '
                'expected auto, fp32 or bf16 on a CPU'
            )
        if precision not in ('auto', *_TYPES):
            raise BackendError(
                f'the torch backend has no precision {precision}; expected auto, '
                'fp32, bf16 or fp16; int8 is for the backends openvino and tensorrt'
            )
        self.input_size = (self.facts.input_height, self.facts.input_width)
        self._recording: Callable[[Tensor], Tensor] | None = None
        wanted = _quickest(self.device) if precision == 'auto' else [precision]
        for self.precision in wanted:
            self._build(choice)
            if self.device == 'cpu' and self.precision == 'fp32':
                # The truth itself.
                return
            image, expected = parity_image(self.input_size), reference_ids(choice)
            verdict = Verdict(self.precision, agreement(self.infer(image), expected))
            self.reason += f'; {verdict}'
            if verdict.passes or not checked:
                return
        raise verdict.refusal(self.name)

    def predict(
        self, images: np.ndarray, confidence: bool = False, flow: bool = False
    ) -> Prediction:
        """Map N x H x W x 3 uint8 RGB to class ids, confidence and flow."""
        size = checked_batch(images).shape[1:3]
        flows: dict[str, Tensor] = {}
        if flow:
            with recorded_flows(self._graph.network) as flows:
                logits = self._run(self._graph.logits, images)
        else:
            logits = self._run(self._logits, images)
        moved = finest_shift(flows)
        finish = self._finished_on_cpu if self.device == 'cpu' else self._finished_on_gpu
        ids, sure = finish(logits, size, confidence)
        return Prediction(ids, sure, None if moved is None else moved.cpu().numpy())

    def _logits(self, batch: Tensor) -> Tensor:
        """Run the network on images that are on the device; the next call may overwrite these."""
        if self.device == 'cpu' or len(batch) > 1:
            return self._graph.logits(batch)
        if self._recording is None:
            try:
                self._recording = Recording(self._graph.logits, batch)
            except (RuntimeError, TypeError) as error:
                # The latter of PyTorch 2.0, which cannot do it beside other threads.
                what = str(error).partition('\n')[0]
                self.reason += f'; without a CUDA graph ({what})'
                self._recording = self._graph.logits
        return self._recording(batch)

    @staticmethod
    def _finished_on_cpu(logits: Tensor, size: tuple[int, int], confidence: bool) -> _Finished:
        planes = logits.float().numpy()
        ids = np.stack([upsampled_argmax(image, size) for image in planes])
        if not confidence:
            return ids, None
        return ids, np.stack(list(map(interpolated_confidence, planes, ids)))

    def _finished_on_gpu(
        self, logits: Tensor, size: tuple[int, int], confidence: bool
    ) -> _Finished:
        with torch.inference_mode():
            ids = self._graph.ids(logits, size)
            sure = self._graph.confidence(logits, ids).cpu().numpy() if confidence else None
            return ids.cpu().numpy(), sure

    def infer_averaged(
        self, images: np.ndarray, scales: tuple[float, ...], flip: bool
    ) -> np.ndarray:
        """Map images to ids as the papers' tables do, logits averaged; many times as slow."""
        graph = AveragedGraph(self._graph, scales, flip)
        return self._run(graph, images, images.shape[1:3]).cpu().numpy()

    def flows(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """
        Return what the alignment modules learnt to move, by name of the module.

        :param image: H x W x 3 uint8 RGB.
        :return: h x w x 2 float32 each: shift of the sampling point along x and y, in pixels of
            that level's feature map (half of the flow, SFNet equation 2).
        """
        with recorded_flows(self._graph.network) as flows:
            self._run(self._graph.logits, image[None])
        return {
            name.removeprefix('head.'): shift(flow)[0].cpu().numpy()
            for name, flow in flows.items()
        }

    def logits(self, image: np.ndarray) -> np.ndarray:
        """
        Return the logits of an image before the last upsampling.

        :param image: H x W x 3 uint8 RGB.
        :return: h x w x C float32, their corners those of the image.
        """
        return self._run(self._graph.logits, image[None])[0].float().cpu().numpy()

    def memory_mb(self) -> float | None:
        """Return what PyTorch holds of the GPU's memory in this process."""
        return torch.cuda.memory_reserved() / 2**20 if self.device == 'cuda' else None

    def close(self) -> None:
        """Free the weights."""
        del self._graph, self._recording

    def _run(self, function: Callable[..., Any], images: np.ndarray, *size: tuple) -> Any:
        batch = _tensor(images, self.input_size).to(self.device)
        with (
            torch.inference_mode(),
            torch.autocast(self.device, _TYPES[self.precision], self.precision != 'fp32'),
        ):
            return function(batch, *size)

    def _build(self, choice: ModelChoice) -> None:
        """Build the graph anew for the precision: what was recorded and rounded is of another."""
        self._recording = None
        self._graph = build_graph(choice).to(self.device, memory_format=torch.channels_last)
        if self.precision == 'bf16':
            _round_weights(self._graph)


def _tensor(images: np.ndarray, size: tuple[int, int]) -> Tensor:
    """Return images at the size that the network sees, on the CPU."""
    # PyTorch warns of arrays that cannot be written, such as those of messages in bags.
    return torch.from_numpy(np.require(fit(checked_batch(images), size), None, ['W']))


def _quickest(device: str) -> list[str]:
    """Return the precisions of auto, best first."""
    if device == 'cuda':
        return ['fp16', 'fp32']
    return ['bf16', 'fp32'] if computes_bf16() else ['fp32']


def _round_weights(graph: SegmentationGraph) -> None:
    """Round the weights of convolutions, before autocast rounds each of them on its own."""
    for module in graph.modules():
        if isinstance(module, nn.Conv2d):
            rounded = torch.from_numpy(rounded_kernels(module.weight.cpu().numpy()))
            module.weight.copy_(rounded)


def has_cuda() -> bool:
    """Return whether this PyTorch can use a GPU here."""
    return torch.cuda.is_available()


def plain_inference(choice: ModelChoice) -> Callable[[np.ndarray], np.ndarray]:
    """
    Return inference as PyTorch gives it without this package: what speed is compared to.

    That is the float32 module on the CPU as it was built, interpolate and argmax.
    """
    graph = build_graph(choice)

    def infer(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return graph(_tensor(images, graph.input_size), images.shape[1:3]).numpy()

    return infer


def computes_bf16() -> bool:
    """Return whether the CPU says that it has bf16 arithmetic (x86 and Arm); else it is slow."""
    try:
        words = set(Path('/proc/cpuinfo').read_text(encoding='utf-8').split())
    except OSError:
        return False
    return bool(words & {'avx512_bf16', 'amx_bf16', 'bf16'})
