"""What the values of a recipe may be: their types, and how large or small they make sense."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
import math
from typing import Any

# What must hold, and how to say it.
Rule = tuple[Callable[[Any], bool], str]

# By type of a key. A number is no truth value here, though it is to Python.
_TYPES: dict[Any, Rule] = {
    str: (lambda x: isinstance(x, str), 'a text'),
    bool: (lambda x: isinstance(x, bool), 'true or false'),
    int: (lambda x: isinstance(x, int) and not isinstance(x, bool), 'a whole number'),
    float: (
        lambda x: _is_number(x),
        'a number (YAML takes 1e-3 for a text, and 1.0e-3 for a number)',
    ),
    float | None: (lambda x: x is None or _is_number(x), 'a number, or nothing'),
    tuple[str, ...]: (lambda x: all(isinstance(one, str) for one in x), 'a list of texts'),
    tuple[float, float]: (lambda x: _are_numbers(x, 2), 'a list of two numbers'),
    tuple[float, float, float]: (lambda x: _are_numbers(x, 3), 'a list of three numbers'),
    dict[str, float]: (
        lambda x: isinstance(x, Mapping) and all(map(_is_number, x.values())),
        'names with a number each',
    ),
    dict[str, Any]: (lambda x: isinstance(x, Mapping), 'keys with values'),
}
_LEAST_PIXELS = 32  # a network makes one pixel of these
_PIXELS: Rule = (lambda x: x >= _LEAST_PIXELS, f'{_LEAST_PIXELS} or more pixels')
_COUNT: Rule = (lambda x: x >= 1, '1 or more')
_NOT_NEGATIVE: Rule = (lambda x: x >= 0, '0 or more')
_POSITIVE: Rule = (lambda x: x > 0, 'more than 0')
_SHARE: Rule = (lambda x: 0 <= x <= 1, '0 to 1')
# By key, for recipes and their sources alike.
_RULES: dict[str, Rule] = {
    **dict.fromkeys(('input_height', 'input_width', 'crop_height', 'crop_width'), _PIXELS),
    **dict.fromkeys(('batch', 'steps', 'loss_stride'), _COUNT),
    **dict.fromkeys(('learning_rate', 'temperature'), _POSITIVE),
    **dict.fromkeys(
        ('weight_decay', 'backbone_rate', 'warmup_steps', 'poly_power'), _NOT_NEGATIVE
    ),
    **dict.fromkeys(('auxiliary_weight', 'distillation_weight', 'seed', 'weight'), _NOT_NEGATIVE),
    **dict.fromkeys(('ohem_share', 'class_uniform', 'copy_paste'), _SHARE),
    'ohem_probability': (lambda x: 0 < x <= 1, 'more than 0, at most 1'),
    'ema': (lambda x: 0 <= x < 1, '0 or more, and less than 1'),
    'aspect': (lambda x: x >= 1, '1 or more'),
    'scale': (lambda x: 0 < x[0] <= x[1], 'the lower one first, both more than 0'),
    'part': (lambda x: 0 <= x[0] < x[1] <= 1, 'from and to, within 0 to 1'),
    'std': (lambda x: min(x) > 0, 'more than 0'),
    'class_weights': (lambda x: min(x.values(), default=0) >= 0, '0 or more each'),
}


def wrong_values(values: Mapping[str, Any], kind: type) -> Iterator[str]:
    """
    Yield what is wrong with the values of a recipe or a source, a message each.

    :param values: by key, lists as tuples. :param kind: the dataclass that they are for.
    """
    for item in fields(kind):
        if item.name not in values:
            continue
        value = values[item.name]
        fits, title = _TYPES.get(item.type, (lambda _: True, ''))
        if not fits(value):
            yield f'{item.name} is {_shown(value)}; expected {title}'
            continue
        holds, title = _RULES.get(item.name, (lambda _: True, ''))
        if value is not None and not holds(value):
            yield f'{item.name} is {_shown(value)}; expected {title}'


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _are_numbers(values: tuple, count: int) -> bool:
    return len(values) == count and all(map(_is_number, values))


def _shown(value: object) -> str:
    return repr(list(value) if isinstance(value, tuple) else value)
