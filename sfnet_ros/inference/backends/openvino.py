"""OpenVINO: the fastest runtime on x86 CPUs that pip can install."""

import numpy as np

from . import Backend, Prediction
from .openvino_files import read_exported, read_quantised, shared_core
from .openvino_graphs import compile_graph, HINTS
from ..cache import unkept
from ..choice import ModelChoice
from ..conversion import reference_ids
from ..parity import agreement, parity_image, Verdict
from ..pixels import checked_batch, fit
from ..tail import interpolated_confidence, upsampled_argmax
from ...errors import BackendError


class OpenVINOBackend(Backend):
    """
    Runs the exported graph up to the coarse logits; the last step is ``tail.upsampled_argmax``.

    The model is exported once, by PyTorch, and kept in the cache beside the ids that PyTorch gives
    in float32 on the parity image. Precision ``auto`` is bf16 where the CPU has it and the ids
    agree, and fp32 otherwise; ids that do not agree in the end refuse the backend. Precision int8
    takes the file of ``openvino_files.quantise``, where what is not in 8 bits is bf16 or fp32.

    :param checked: False: the first precision is used, whatever its ids.
    """

    name = 'openvino'
    device = 'cpu'

    def __init__(
        self, choice: ModelChoice, precision: str, reason: str, checked: bool = True
    ) -> None:
        if precision not in ('auto', *HINTS, 'int8'):
            raise BackendError(
                f'the openvino backend has no precision {precision}; expected auto, '
                'fp32, bf16 or int8'
            )
        self.facts = facts = choice.facts
        self.reason = reason
        self.input_size = (facts.input_height, facts.input_width)
        core = shared_core()
        in_8_bits = precision == 'int8'
        path, model = (read_quantised if in_8_bits else read_exported)(choice)
        expected = reference_ids(choice)
        has_bf16 = 'BF16' in core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
        quickest = ['bf16', 'fp32'] if has_bf16 else ['fp32']
        image = parity_image(self.input_size)
        for self.precision in quickest if precision == 'auto' else [precision]:
            self._graph = compile_graph(core, model, quickest[0] if in_8_bits else self.precision)
            verdict = Verdict(self.precision, agreement(self.infer(image), expected))
            self.reason += f'; {verdict}'
            if verdict.passes or not checked:
                lost = unkept(path)
                self.reason += f'; {self._graph.what}' + (f'; {lost}' if lost else '')
                return
        raise verdict.refusal(self.name)

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
