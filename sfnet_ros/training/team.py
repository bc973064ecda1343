"""The processes that train one network together, as torchrun starts them; alone without it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
import torch.distributed as dist

from ..errors import DataError

# While one process looks at the data, the others wait; PyTorch would give up after ten minutes.
# Of a process that died torchrun tells the others at once.
_PATIENCE = timedelta(hours=4)


@dataclass(frozen=True)
class Team:
    """
    This process among all of a run; the one of rank 0 writes.

    :param local_size: how many of the processes share this machine.
    """

    rank: int = 0
    size: int = 1
    device: str = 'cpu'
    local_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes what the run leaves behind."""
        return self.rank == 0

    @property
    def loaders(self) -> int:
        """Return how many processes load for this one; all on a machine take half its cores."""
        return max(1, (os.cpu_count() or 1) // (2 * self.local_size))

    def part(self, batch: int) -> int:
        """Return how many samples of a batch this process takes."""
        if batch % self.size:
            raise DataError(
                f'a batch of {batch} cannot be shared by {self.size} processes; '
                'expected a multiple: change batch in the recipe, or start fewer'
            )
        return batch // self.size

    def shared(self, value: Any) -> Any:
        """Return the value that the process of rank 0 holds."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values)
        return values[0]

    def check_together(self, start: int, output: Path) -> None:
        """Raise DataError when this process would begin at another step than the first one."""
        if (first := self.shared(start)) != start:
            raise DataError(
                f'process {self.rank} found step {start} in {output}, the first one step {first}; '
                'expected one output folder for all: one that all machines see'
            )

    def mean(self, value: Tensor) -> float:
        """Return the mean of a scalar over all processes; all must ask for it."""
        value = value.detach()
        if self.size > 1:
            value = value.clone()
            dist.all_reduce(value)
        return value.item() / self.size


@contextmanager
def joined_team() -> Iterator[Team]:
    """Join the processes that torchrun started, NCCL on GPUs and Gloo on CPUs; or be alone."""
    local = int(os.environ.get('LOCAL_RANK', 0))
    device = f'cuda:{local}' if torch.cuda.is_available() else 'cpu'
    if 'WORLD_SIZE' not in os.environ:
        yield Team(device=device)
        return
    if device != 'cpu':
        torch.cuda.set_device(device)
    dist.init_process_group('gloo' if device == 'cpu' else 'nccl', timeout=_PATIENCE)
    try:
        size = dist.get_world_size()
        yield Team(dist.get_rank(), size, device, int(os.environ.get('LOCAL_WORLD_SIZE', size)))
    finally:
        dist.destroy_process_group()
