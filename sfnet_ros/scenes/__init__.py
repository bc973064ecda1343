"""
A small renderer of street scenes with exact labels.

`Street(seed).render(height, width, time_s)` drives along a street that the seed draws. The
result feeds the demo's sample bag, the tests and, as one more domain, training.
"""

from .street import Frame, Street

__all__ = ['Frame', 'Street']
