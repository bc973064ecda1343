"""What was loaded, in plain values: for reports, and for who reads the topics of the node."""

from typing import Any

from .backends import Backend


def describe(backend: Backend) -> dict[str, Any]:
    """Return what a backend runs, and how, as values that JSON can hold."""
    facts = backend.facts
    return {
        'name': facts.name,
        'network': facts.network,
        'backbone': facts.backbone,
        'taxonomy': facts.taxonomy,
        'sha256': facts.sha256,
        'input_height': backend.input_size[0],
        'input_width': backend.input_size[1],
        'backend': backend.name,
        'device': backend.device,
        'precision': backend.precision,
    }
