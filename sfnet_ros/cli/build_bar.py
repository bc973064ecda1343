"""A bar for the minutes in which TensorRT builds an engine."""

from types import TracebackType

from tqdm import tqdm


class BuildBar:
    """The ``progress`` of inference.load on a terminal; nothing is shown before a build begins."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None

    def __enter__(self) -> 'BuildBar':
        return self

    def __call__(self, phase: str, share: float) -> None:
        """Show what is being done and the share that is done, 0..1."""
        if self._bar is None:
            self._bar = tqdm(
                total=100, unit='%', bar_format='{desc:40.40}{bar}{n:4.0f} % {elapsed}'
            )
        self._bar.set_description_str(f'TensorRT: {phase}', refresh=False)
        self._bar.update(100 * share - self._bar.n)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
