"""OpenVINO: the fastest runtime on x86 CPUs that pip can install."""

from pathlib import Path

import numpy as np
import openvino

from . import Backend, Prediction
from .openvino_graphs import compile_graph, HINTS
from ..cache import cached
from ..choice import ModelChoice
from ..models import file_sha256
from ..parity import agreement, LEAST_AGREEMENT, parity_image
from ..pixels import checked_batch, fit
from ..tail import interpolated_confidence, upsampled_argmax
from ...errors import BackendError


class OpenVINOBackend(Backend):
    """
    Runs the exported graph up to the coarse logits; the last step is ``tail.upsampled_argmax``.

    The model is exported once, by PyTorch, and kept in the cache beside the ids that PyTorch gives
    in float32 on the parity image. Precision ``auto`` is bf16 where the CPU has it and the ids
    agree, and fp32 otherwise; ids that do not agree in the end refuse the backend.
    """

    name = 'openvino'
    device = 'cpu'

    def __init__(self, choice: ModelChoice, precision: str, reason: str) -> None:
        if precision not in ('auto', *HINTS):
            raise BackendError(
                f'the openvino backend has no precision {precision}; expected auto, fp32, bf16'
            )
        self.facts = facts = choice.facts
        self.reason = reason
        self.input_size = (facts.input_height, facts.input_width)
        core = openvino.Core()
        try:
            model, expected = _read(core, *_converted(choice, self.input_size))
        except (RuntimeError, ValueError, EOFError):
            # Damaged after it was written, whatever by: made anew once.
            for path in _converted(choice, self.input_size):
                path.unlink(missing_ok=True)
            model, expected = _read(core, *_converted(choice, self.input_size))
        has_bf16 = 'BF16' in core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
        steps = [precision] if precision != 'auto' else ['bf16', 'fp32'] if has_bf16 else ['fp32']
        image = parity_image(self.input_size)
        for self.precision in steps:
            self._graph = compile_graph(core, model, self.precision)
            share = agreement(self.infer(image), expected)
            self.reason += f'; {self.precision} agrees with fp32 of PyTorch on {share:.2%}'
            if share >= LEAST_AGREEMENT:
                self.reason += f'; {self._graph.what}'
                return
        raise BackendError(
            f'the openvino backend gives other ids than PyTorch (equal on {share:.2%} of the '
            f'pixels of the parity image, expected {LEAST_AGREEMENT:.1%}): it is not used'
        )

    def predict(
        self, images: np.ndarray, confidence: bool = False, flow: bool = False
    ) -> Prediction:
        """Map N x H x W x 3 uint8 RGB to class ids, confidence and flow."""
        size = checked_batch(images).shape[1:3]
        ids = np.empty((len(images), *size), np.uint8)
        sure = np.empty_like(ids) if confidence else None
        flows = []
        for index, image in enumerate(fit(images, self.input_size)):
            logits = self._graph.logits(image[None])
            ids[index] = upsampled_argmax(logits, size)
            if sure is not None:
                sure[index] = interpolated_confidence(logits, ids[index])
            if flow:
                flows.append(self._graph.flow())
        return Prediction(ids, sure, _stacked(flows))

    def close(self) -> None:
        """Free the compiled model."""
        del self._graph


def _stacked(flows: list[np.ndarray | None]) -> np.ndarray | None:
    """Join the flows of a batch, of which all are there or none is."""
    fields = [flow for flow in flows if flow is not None]
    return np.stack(fields) if fields else None


def _read(core: openvino.Core, model: Path, reference: Path) -> tuple[openvino.Model, np.ndarray]:
    return core.read_model(str(model)), np.load(reference)


def _converted(choice: ModelChoice, size: tuple[int, int]) -> tuple[Path, Path]:
    """Return the exported model and the reference ids, from the cache or made by PyTorch."""
    facts = choice.facts
    parts = (
        file_sha256(choice.weights), facts.network, facts.backbone, facts.taxonomy, facts.mean,
        facts.std, facts.channel_order, size,
    )  # fmt: skip
    model = cached('logits.onnx', parts, lambda path: _exported(choice, path))
    return model, cached('ids.npy', parts, lambda path: _reference(choice, path))


def _exported(choice: ModelChoice, path: Path) -> None:
    try:
        from ..export import export_onnx
        from ..graph import build_graph
    except ImportError as error:
        raise BackendError(
            f'the model is not in the cache yet, and converting it needs PyTorch once ({error}): '
            'pip install torch'
        ) from error

    export_onnx(build_graph(choice), path, outputs=('logits',))


def _reference(choice: ModelChoice, path: Path) -> None:
    from .torch import TorchBackend

    backend = TorchBackend(choice, 'fp32', '', device='cpu')
    with path.open('wb') as file:
        np.save(file, backend.infer(parity_image(backend.input_size)))
