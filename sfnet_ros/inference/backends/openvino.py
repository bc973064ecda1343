"""OpenVINO: the fastest runtime on x86 CPUs that pip can install."""

import numpy as np
import openvino

from . import Backend, Prediction
from .openvino_graphs import compile_graph, HINTS
from ..cache import unkept
from ..choice import ModelChoice
from ..conversion import exported, reference_ids
from ..parity import agreement, LEAST_AGREEMENT, parity_image
from ..pixels import checked_batch, fit
from ..tail import interpolated_confidence, upsampled_argmax
from ...errors import BackendError

_OUTPUTS = ('logits',)


class OpenVINOBackend(Backend):
    """
    Runs the exported graph up to the coarse logits; the last step is ``tail.upsampled_argmax``.

    The model is exported once, by PyTorch, and kept in the cache beside the ids that PyTorch gives
    in float32 on the parity image. Precision ``auto`` is bf16 where the CPU has it and the ids
    agree, and fp32 otherwise; ids that do not agree in the end refuse the backend.

    :param checked: False: the first precision is used, whatever its ids.
    """

    name = 'openvino'
    device = 'cpu'

    def __init__(
        self, choice: ModelChoice, precision: str, reason: str, checked: bool = True
    ) -> None:
        if precision not in ('auto', *HINTS):
            raise BackendError(
                f'the openvino backend has no precision {precision}; expected auto, fp32, bf16'
            )
        self.facts = facts = choice.facts
        self.reason = reason
        self.input_size = (facts.input_height, facts.input_width)
        core = openvino.Core()
        path = exported(choice, _OUTPUTS)
        try:
            model = core.read_model(str(path))
        except RuntimeError:
            # Damaged after it was written, whatever by: made anew once.
            path = exported(choice, _OUTPUTS, anew=True)
            model = core.read_model(str(path))
        expected = reference_ids(choice)
        has_bf16 = 'BF16' in core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
        steps = [precision] if precision != 'auto' else ['bf16', 'fp32'] if has_bf16 else ['fp32']
        image = parity_image(self.input_size)
        for self.precision in steps:
            self._graph = compile_graph(core, model, self.precision)
            share = agreement(self.infer(image), expected)
            self.reason += f'; {self.precision} agrees with fp32 of PyTorch on {share:.2%}'
            if share >= LEAST_AGREEMENT or not checked:
                lost = unkept(path)
                self.reason += f'; {self._graph.what}' + (f'; {lost}' if lost else '')
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
