"""TensorRT 10 and 11, and TensorRT-RTX: the fastest runtimes on NVIDIA GPUs."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from . import Backend, Prediction, Progress
from .engines import (
    build_engine,
    create,
    find_library,
    identity,
    logger,
    read_plan,
    write_plan,
)
from .tensorrt_files import read_model
from ..cache import cached, unkept
from ..choice import ModelChoice
from ..conversion import parts_of, reference_ids
from ..cuda import Buffer, find_device, free_memory_mb, Recording, Stream
from ..models import file_sha256
from ..parity import agreement, parity_image, Verdict
from ..pixels import checked_batch, fit
from ..tail import interpolated_confidence, upsampled_argmax
from ...errors import BackendError, EngineMissingError

# Of auto, best first.
_PRECISIONS = ('fp16', 'fp32')


class TensorRTBackend(Backend):
    """
    Runs the exported graph, image to ids, in an engine that was built once for this GPU.

    Precision ``auto`` is fp16 where its ids agree with those of PyTorch in float32, and fp32
    otherwise (whose products TensorRT rounds to TF32 where the GPU can); ids that do not agree in
    the end refuse the backend. Precision int8 takes the file of ``tensorrt_files.quantise``, where
    what is not in 8 bits is fp32. Ids at another size than the network's, and confidence, are made
    on the CPU from the coarse logits, by the same functions as everywhere.

    :param build: False: raise EngineMissingError where an engine would have to be built.
    :param progress: told of a build while it runs.
    :param checked: False: the first precision is used, whatever its ids.
    :param batch: the most images at once; more of them go through the engine in turns.
    """

    name = 'tensorrt'
    device = 'cuda'

    def __init__(
        self,
        choice: ModelChoice,
        precision: str,
        reason: str,
        build: bool = True,
        progress: Progress | None = None,
        checked: bool = True,
        batch: int = 1,
    ) -> None:
        if precision not in ('auto', *_PRECISIONS, 'int8'):
            raise BackendError(
                f'the tensorrt backend has no precision {precision}; expected auto, '
                f'{", ".join(_PRECISIONS)}, int8'
            )
        # Before TensorRT, whose runtimes can crash a process that has no device.
        device = find_device()
        self._library = find_library()
        self.facts = facts = choice.facts
        self.input_size = (facts.input_height, facts.input_width)
        self.batches = batch > 1
        self._batch = batch
        self._made_for = identity(self._library, device)
        self.reason = f'{reason}; {" ".join(self._made_for.values())}'
        for self.precision in _PRECISIONS if precision == 'auto' else (precision,):
            plan = self._plan(choice, device.memory_mb // 4, build, progress)
            expected = reference_ids(choice)
            self._engine = Engine(self._library, plan, batch)
            try:
                verdict = Verdict(self.precision, self._agreement(expected))
            except BaseException:
                self._engine.close()
                raise
            self.reason += f'; {verdict}'
            if verdict.passes or not checked:
                self.reason += f'; {self._engine.what}' + f'; {self._lost}' * bool(self._lost)
                return
            self._engine.close()
        raise verdict.refusal(self.name)

    def predict(
        self, images: np.ndarray, confidence: bool = False, flow: bool = False
    ) -> Prediction:
        """Map N x H x W x 3 uint8 RGB to class ids, confidence and flow."""
        size = checked_batch(images).shape[1:3]
        wanted = {'ids' if size == self.input_size else 'logits'}
        wanted |= {'logits'} if confidence else set()
        wanted |= {'flow'} if flow else set()
        ids = np.empty((len(images), *size), np.uint8)
        sure = np.empty_like(ids) if confidence else None
        flows = []
        fitted = fit(images, self.input_size)
        for start in range(0, len(images), self._batch):
            part = slice(start, start + self._batch)
            found = self._engine.run(fitted[part], wanted)
            if size == self.input_size:
                ids[part] = found['ids']
            else:
                ids[part] = [upsampled_argmax(logits, size) for logits in found['logits']]
            if sure is not None:
                sure[part] = list(map(interpolated_confidence, found['logits'], ids[part]))
            if 'flow' in found:
                flows.append(found['flow'].copy())
        return Prediction(ids, sure, np.concatenate(flows) if flows else None)

    def memory_mb(self) -> float | None:
        """Return what the engine holds of the GPU's memory: its weights, features and buffers."""
        return self._engine.memory_mb

    def close(self) -> None:
        """Free the engine and its memory on the GPU."""
        self._engine.close()

    def _plan(
        self, choice: ModelChoice, memory_mb: int, build: bool, progress: Progress | None
    ) -> bytes:
        """Return the engine of a precision, built where there is none that can be read."""
        parts = (*parts_of(choice), *self._made_for.values(), self.precision, self._batch)
        if self.precision == 'int8':
            # Quantised by other images it is another one.
            parts = (*parts, file_sha256(read_model(choice, 'int8')))

        # Once, also where what came of it cannot be written at first.
        @cache
        def built() -> bytes:
            if not build:
                raise EngineMissingError(
                    f'the engine of tensorrt in {self.precision} is not built yet: '
                    'sfnet export --tensorrt'
                    + f' --batch {self._batch}' * self.batches
                    + ' does it, which takes minutes'
                )
            model = read_model(choice, self.precision)
            return build_engine(self._library, model, memory_mb, progress, self._batch)

        def make(path: Path) -> None:
            write_plan(path, built(), self._made_for)

        path = cached('plan', parts, make)
        self._lost = unkept(path)
        return read_plan(path, self._made_for)

    def _agreement(self, expected: np.ndarray) -> float:
        image = parity_image(self.input_size)
        if not np.isfinite(self._engine.run(image, {'logits'})['logits']).all():
            self.reason += f'; {self.precision} gives numbers that are none'
            return 0.0
        return agreement(self.infer(image), expected)


class Engine:
    """
    An engine that is loaded, with the memory for its images and all outputs.

    One for a single image is recorded as a CUDA graph. A recording is of one number of images, and
    each would need a context and its features of its own; several images keep the GPU busy longer
    than it takes to launch their kernels.
    """

    def __init__(self, library: Any, plan: bytes, batch: int) -> None:
        self._batch = batch
        self._runtime: Any = None
        self._engine: Any = None
        self._context: Any = None
        self._recording: Recording | None = None
        self._buffers: dict[str, Buffer] = {}
        self._stream = Stream()
        try:
            self._load(library, plan)
            self.what = self._recorded() if batch == 1 else f'for up to {batch} images at once'
        except BaseException:
            self.close()
            raise

    def run(self, images: np.ndarray, wanted: set[str]) -> dict[str, np.ndarray]:
        """
        Run images of the input size, as many as there is memory for at most.

        :return: those of the wanted outputs that there are, views that the next run overwrites.
        """
        count = len(images)
        self._stream.enter()
        np.copyto(self._buffers['images'].host[:count], images)
        if self._recording:
            self._recording.launch()
        else:
            self._queue(count)
        found = {name: buffer for name, buffer in self._buffers.items() if name in wanted}
        for buffer in found.values():
            self._stream.download(buffer, count)
        self._stream.synchronize()
        return {name: buffer.host[:count] for name, buffer in found.items()}

    def close(self) -> None:
        """Free everything, what uses the others first."""
        self._stream.enter()
        if self._recording:
            self._recording.close()
        del self._context, self._engine, self._runtime
        for buffer in self._buffers.values():
            buffer.close()
        self._stream.close()

    def _load(self, library: Any, plan: bytes) -> None:
        log = logger(library)
        self._runtime = create(library, 'Runtime')
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        self._context = self._engine.create_execution_context() if self._engine else None
        if self._context is None:
            raise BackendError(
                f'{library.__name__} {library.__version__} cannot load the engine '
                f'({log.reason()}); {free_memory_mb()} MiB of the memory of the GPU are free: '
                'close what else uses it, or set a smaller input_height and input_width'
            )
        self._expect(self._batch)
        for index in range(self._engine.num_io_tensors):
            self._allocate(self._engine.get_tensor_name(index))
        buffers = sum(buffer.size for buffer in self._buffers.values())
        features = self._engine.device_memory_size_v2
        self.memory_mb = (len(plan) + features + buffers) / 2**20

    def _allocate(self, name: str) -> None:
        shape = tuple(self._context.get_tensor_shape(name))
        dtype = 'uint8' if name in ('images', 'ids') else 'float32'
        self._buffers[name] = buffer = Buffer(shape, dtype)
        self._context.set_tensor_address(name, buffer.device)

    def _expect(self, count: int) -> None:
        """Tell how many images the next run has, where that is not fixed."""
        if self._batch > 1:
            size = tuple(self._engine.get_tensor_shape('images'))[1:]
            self._context.set_input_shape('images', (count, *size))

    def _queue(self, count: int = 1) -> None:
        self._expect(count)
        self._stream.upload(self._buffers['images'], count)
        if not self._context.execute_async_v3(self._stream.handle):
            raise BackendError(
                'TensorRT did not run the engine; expected it to: see the log of the driver '
                '(dmesg), and start again'
            )

    def _recorded(self) -> str:
        """Record the work as a CUDA graph where that can be done; returns what came of it."""
        # What is recorded must have run once.
        self._queue()
        self._stream.synchronize()
        capturable = getattr(self._context, 'is_stream_capturable', None)  # of TensorRT-RTX
        if capturable and not capturable(self._stream.handle):
            return 'without a CUDA graph (the engine allows none)'
        try:
            self._recording = self._stream.record(self._queue)
        except BackendError as error:
            return f'without a CUDA graph ({error})'
        return 'as a CUDA graph'
