"""What is made once of a model and kept in the cache; only making it takes PyTorch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .cache import cached
from .choice import ModelChoice
from .models import file_sha256
from .parity import parity_image
from ..errors import BackendError


def parts_of(choice: ModelChoice) -> tuple[object, ...]:
    """Return everything of a model that converted files depend on."""
    facts = choice.facts
    return (
        file_sha256(choice.weights), facts.network, facts.backbone, facts.taxonomy, facts.mean,
        facts.std, facts.channel_order, (facts.input_height, facts.input_width),
    )  # fmt: skip


def exported(
    choice: ModelChoice,
    outputs: Sequence[str],
    precision: str = 'fp32',
    batch: int | None = 1,
) -> Path:
    """Return the model as an ONNX file, as ``export.export_onnx`` writes it; see ``cached``."""
    parts = (*parts_of(choice), tuple(outputs), precision, batch)

    def export(path: Path) -> None:
        try:
            from .export import export_onnx
            from .graph import build_graph
        except ImportError as error:
            raise _needs_torch(error) from error
        export_onnx(build_graph(choice), path, outputs, batch, precision)

    return cached('onnx', parts, export)


def reference_ids(choice: ModelChoice) -> np.ndarray:
    """Return the ids that PyTorch gives in float32 on the parity image, 1 x H x W uint8."""
    return np.load(cached('ids.npy', parts_of(choice), lambda path: _save_reference(choice, path)))


def _save_reference(choice: ModelChoice, path: Path) -> None:
    try:
        from .backends.torch import TorchBackend
    except ImportError as error:
        raise _needs_torch(error) from error
    backend = TorchBackend(choice, 'fp32', '', device='cpu')
    with path.open('wb') as file:
        np.save(file, backend.infer(parity_image(backend.input_size)))


def _needs_torch(error: ImportError) -> BackendError:
    return BackendError(
        f'the model is not in the cache yet, and converting it needs PyTorch and safetensors once '
        f'({error}): pip install torch safetensors'
    )
