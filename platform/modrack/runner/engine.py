"""Who trains together: one process, or several that torchrun started.

The engine is torch.distributed (gloo on CPUs, nccl on NVIDIA) and DistributedDataParallel; nothing here starts
processes. `batch_size` counts the rows of all processes, so the number of them never changes what is learned.
"""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from modrack.runner.sharding import is_sharded
from modrack_registry.errors import UserError


class Engine:
    """One process among `world`, number `rank`. With one process nothing is communicated."""

    def __init__(self, rank: int = 0, world: int = 1, local_rank: int = 0, local_world: int = 1) -> None:
        self.rank, self.world, self.local_rank, self.local_world = rank, world, local_rank, local_world

    @property
    def main(self) -> bool:
        """Whether this is the process that records, reports and saves."""
        return self.rank == 0

    def place(self, device: str) -> torch.device:
        """The device of this process, where `device` names a kind of which there is one a process."""
        if self.world > 1 and device not in ("cpu", "mps") and ":" not in device:
            return torch.device(device, self.local_rank)
        return torch.device(device)

    def wrap(self, part: nn.Module, device: torch.device) -> nn.Module:
        """A part whose gradients are averaged over all processes. Raises UserError where it cannot learn."""
        if self.world == 1 or is_sharded(part):
            return part
        if not any(parameter.requires_grad for parameter in part.parameters()):
            raise UserError(
                f"{type(part).__name__} has no weights that could learn, so it cannot be a part of a phase."
            )
        wrapper: Any = nn.parallel.DistributedDataParallel
        # Buffers are broadcast once before each evaluation instead of in every forward. The option has a new name.
        options = inspect.signature(wrapper).parameters
        name = "forward_sync_buffers" if "forward_sync_buffers" in options else "broadcast_buffers"
        wrapped: nn.Module = wrapper(part, device_ids=None if device.type == "cpu" else [device], **{name: False})
        return wrapped

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.world > 1:
            torch.distributed.all_reduce(tensor)
        return tensor

    def any(self, flag: bool) -> bool:
        """Whether any process says so. Every process must ask at the same step."""
        return flag if self.world == 1 else bool(self.sum(torch.tensor(float(flag))).item())

    def wait(self) -> None:
        """Until every process is here."""
        if self.world > 1:
            torch.distributed.barrier()

    def share_buffers(self, parts: list[nn.Module]) -> None:
        """The main process's running statistics in all of them."""
        if self.world > 1:
            for part in parts:
                for buffer in part.buffers():
                    torch.distributed.broadcast(buffer, 0)

    def share_number(self, number: int) -> int:
        """The main process's number in all of them."""
        if self.world == 1:
            return number
        shared = torch.tensor(number)
        torch.distributed.broadcast(shared, 0)
        return int(shared.item())

    def gather(self, tensor: Tensor) -> Tensor:
        """The rows of all processes, (rows of all, …). Other dimensions may differ; shorter ones are filled with 0, and
        int64 with -100, the class that losses and metrics leave out."""
        if self.world == 1:
            return tensor
        mine = torch.tensor(tensor.shape)
        shapes = [torch.empty_like(mine) for _ in range(self.world)]
        torch.distributed.all_gather(shapes, mine)
        largest = torch.stack(shapes).max(0).values.tolist()
        padded = tensor.new_full(largest, -100 if tensor.dtype == torch.int64 else 0)
        padded[tuple(slice(size) for size in tensor.shape)] = tensor
        received = [torch.empty_like(padded) for _ in range(self.world)]
        torch.distributed.all_gather(received, padded)
        return torch.cat([each[: int(shape[0])] for each, shape in zip(received, shapes, strict=True)])


@contextlib.contextmanager
def joined(device: str = "cpu") -> Iterator[Engine]:
    """The engine of this process, as torchrun's environment says; leaves the group at the end."""
    said = os.environ.get("WORLD_SIZE") or "1"
    if not said.isdecimal() or int(said) < 1:
        raise UserError(
            f"WORLD_SIZE={said} is no number of processes.", "Start several processes with torchrun, or unset it."
        )
    world = int(said)
    if world == 1:
        yield Engine()
        return
    accelerated = (device == "auto" and torch.accelerator.is_available()) or device.startswith("cuda")
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if accelerated:
        there = torch.accelerator.device_count()
        if local_rank >= there:
            raise UserError(
                f"{world} processes were started, but there are {there} devices.", "Start as many as there are."
            )
        torch.accelerator.set_device_index(local_rank)
    # Facts of the host (counts, requests to stop) travel by gloo, so that asking never waits for the device.
    # torchrun keeps its store when it starts all again: addresses of dead processes must not be found in it.
    store, rank, size = _met()
    again = PrefixStore(f"start {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    torch.distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if accelerated else "gloo", store=again, rank=rank, world_size=size
    )
    try:
        yield Engine(torch.distributed.get_rank(), world, local_rank, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    finally:
        torch.distributed.destroy_process_group()


def _met() -> tuple[Any, int, int]:
    """The store where all processes meet, this one's rank, and how many they are. Raises UserError."""
    try:
        found: tuple[Any, int, int] = next(rendezvous("env://"))
    except ValueError as error:
        raise UserError(
            f"WORLD_SIZE is set, but {error}.", "Start several processes with torchrun, or unset it."
        ) from None
    except (torch.distributed.DistError, RuntimeError) as error:
        place = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        raise UserError(
            f"The processes cannot meet at {place}: {str(error).splitlines()[0][:200]}",
            "Another launch may use the port: take another one (torchrun --master-port, or --rdzv-endpoint HOST:PORT).",
        ) from None
    return found


def synchronise(part: Any, on: bool) -> None:
    """Say before a forward whether the gradients of its backward go to the other processes.

    Those of a sharded part always go: kept back, each process would hold all of them, which sharding is to spare.
    """
    if isinstance(part, nn.parallel.DistributedDataParallel):
        part.require_backward_grad_sync = on
