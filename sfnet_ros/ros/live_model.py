"""The model that the parameters ask for: loaded at configure, changed while the node serves."""

from collections.abc import Callable
from functools import partial
import time
from typing import Any

from rclpy.node import Node
from rclpy.parameter import Parameter

from . import parameters, reports
from .loader import Loader, Outcome
from .serving import Serving
from ..errors import ModelError, SfnetError


class LiveModel:
    """
    Keeps the model in line with the parameters, or the parameters with the model.

    A new model is loaded beside the one that serves. Where that fails the parameters are set back.
    All of it happens on the thread of the node's executor, and after parameters were set: those of
    one call make one change.

    :param waiting: called again and again while configure waits; what it raises ends the waiting.
    :param replaced: called with the model that serves from now on, and with the one before it.
    """

    def __init__(
        self,
        node: Node,
        waiting: Callable[[], None],
        replaced: Callable[[Serving, Serving], None],
    ) -> None:
        self.serving: Serving | None = None
        self._node = node
        self._swap = reports.IDLE
        self._began_s = 0.0
        self._waiting = waiting
        self._replaced = replaced
        self._change = node.create_guard_condition(self._follow)
        self._loader = Loader(self._change.trigger, partial(parameters.most_at_once, node))

    @property
    def swap(self) -> str:
        """The state of a change of the model, with how long it has been loading."""
        if not self.loading:
            return self._swap
        return f'{self._swap} for {time.monotonic() - self._began_s:.0f} s'

    @property
    def loading(self) -> bool:
        """Whether a model is being loaded that will serve."""
        return self._swap.startswith(reports.LOADING)

    def load(self) -> None:
        """Load what the parameters ask for, and wait for it; raises SfnetError."""
        asked = parameters.asked(self._node)
        self._swap = reports.loading(asked, parameters.DEFAULTS)
        self._began_s = time.monotonic()
        try:
            outcome = self._loader.load(parameters.of_model(asked), self._waiting)
            self.serving = self._opened(outcome, asked)
        finally:
            self._swap = reports.IDLE
        if self.serving.backend.provisional:
            # It takes minutes, in which this backend serves; its end leads to _follow.
            self._loader.begin(parameters.of_model(asked))
            self._swap = f'{reports.LOADING} the engine of a faster backend, which is built first'
            self._began_s = time.monotonic()
            self._node.get_logger().info(f'{self._swap}; until then this one serves')

    def follow(self) -> None:
        """Look at the parameters once the one who sets them is done."""
        self._change.trigger()

    def free(self, close: bool) -> None:
        """Forget the model; ``close`` tells whether no one works with it any more."""
        if self.serving is not None and close:
            self.serving.backend.close()
        self.serving = None
        self._swap = reports.IDLE

    def stop(self) -> bool:
        """Make nothing of a model that is being loaded; returns whether none is."""
        return self._loader.close()

    def _opened(self, outcome: Outcome, asked: dict[str, Any]) -> Serving:
        """Return the model that was loaded; raises SfnetError where it cannot serve."""
        if outcome.backend is None:
            raise ModelError(outcome.error)
        try:
            serving = Serving(outcome.backend, asked)
        except SfnetError:
            outcome.close()
            raise
        self._node.get_logger().info(
            f'model {serving.describe()}, loaded in {outcome.seconds:.1f} s'
        )
        return serving

    def _follow(self) -> None:
        outcome, old = self._loader.take(), self.serving
        asked = parameters.asked(self._node)
        wanted = parameters.of_model(asked)
        if old and outcome and outcome.asked == wanted:
            self._replace(old, partial(self._opened, outcome, asked))
            return
        if outcome:
            outcome.close()
        if old is None:
            return
        if asked == old.asked:
            building = old.backend.provisional and self._loader.busy
            if not building and not self._swap.startswith(reports.FAILED):
                self._swap = reports.IDLE
        elif wanted == parameters.of_model(old.asked):
            self._replace(old, partial(Serving, old.backend, asked))
        else:
            self._begin(asked, old)

    def _begin(self, asked: dict[str, Any], old: Serving) -> None:
        # What is being loaded already cannot be stopped: its end leads to _follow again.
        if not self._loader.busy:
            self._loader.begin(parameters.of_model(asked))
        self._swap = reports.loading(asked, old.asked)
        self._began_s = time.monotonic()
        self._node.get_logger().info(f'{self._swap}; until then the model before it serves')

    def _replace(self, old: Serving, make: Callable[[], Serving]) -> None:
        try:
            self.serving = make()
        except SfnetError as error:
            self._swap = f'{reports.FAILED}: {error}'
            self._node.get_logger().error(f'model not changed, parameters set back: {error}')
            self._node.set_parameters_atomically(
                [Parameter(name, value=value) for name, value in old.asked.items()]
            )
            return
        self._swap = reports.IDLE
        self._replaced(self.serving, old)
