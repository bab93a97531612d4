"""Weights that no process holds whole: PyTorch's FSDP2 (`fully_shard`), a part at a time.

Each process keeps its rows of every weight, gradient and optimizer state. A layer's weights are put together when its
forward or backward comes, and let go after it. Zhao et al., "PyTorch FSDP" (arXiv 2304.11277); Rajbhandari et al.,
"ZeRO" (arXiv 1910.02054).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from modrack.runner.layers import repeated_layers
from modrack_registry.errors import UserError

if TYPE_CHECKING:
    from modrack.runner.engine import Engine


def is_sharded(module: nn.Module) -> bool:
    """Whether `module` is sharded. Asking imports nothing."""
    fsdp = sys.modules.get("torch.distributed.fsdp")
    return fsdp is not None and isinstance(module, fsdp.FSDPModule)


def why_whole(part: nn.Module, others: Iterable[nn.Module]) -> str | None:
    """In words, why a part cannot be sharded, or None."""
    if any(not parameter.ndim for parameter in part.parameters()):
        name = next(name for name, parameter in part.named_parameters() if not parameter.ndim)
        return f"has the weight {name}, a single number, which cannot be cut"
    mine = {id(parameter): name for name, parameter in part.named_parameters()}
    for other in others:
        for parameter in other.parameters():
            if other is not part and id(parameter) in mine:
                return f"shares the weight {mine[id(parameter)]} with another part"
    return None


def shard(
    part: nn.Module, device: torch.device, engine: Engine, dtype: torch.dtype | None = None, *, twice: bool = False
) -> None:
    """Cut the weights of `part`, which lie on the host, and move this process's rows to `device`: its repeated layers
    one by one, so that no more than one of them is ever whole there, and the rest together.

    With `dtype` they are put together in it, which halves what travels; each process keeps its rows as they are. With
    `twice`, for losses that are differentiated twice, they stay whole until `let_go`.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    _agree(part, engine)
    # Gradients are added up in fp32; what the layers compute in is autocast's affair, as without sharding.
    policy = MixedPrecisionPolicy(
        param_dtype=dtype, reduce_dtype=None if dtype is None else torch.float32, cast_forward_inputs=False
    )
    mesh = init_device_mesh(device.type, (engine.world,))
    part.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for layer in repeated_layers(part).values():
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(part, mesh=mesh, mp_policy=policy)
    # Once outside of evaluation, whose tensors no backward may use; the part's first forward, in which all must be free
    # to learn, is the caller's.
    for module in sharded_modules([part]):
        if twice:
            module.set_reshard_after_forward(False, recurse=False)
            module.set_reshard_after_backward(False, recurse=False)
        module.unshard()
        module.reshard()


@contextlib.contextmanager
def noticing_derivatives() -> Iterator[list[bool]]:
    """While entered, a derivative that a loss asks for, to be differentiated again, is noticed in the list."""
    found: list[bool] = []
    plain: Any = torch.autograd.grad

    def grad(*given: Any, **options: Any) -> Any:
        if options.get("create_graph") or (len(given) > 4 and given[4]):
            found.append(True)
        return plain(*given, **options)

    torch.autograd.grad = grad
    try:
        yield found
    finally:
        torch.autograd.grad = plain


def sharded_modules(parts: Iterable[nn.Module]) -> list[Any]:
    """The modules below `parts` that are sharded, roots first."""
    return [module for part in parts for module in part.modules() if is_sharded(module)]


def let_go(parts: Iterable[nn.Module]) -> None:
    """Hold no weight whole: one that still is, is used by the next forward whatever has happened to the shards."""
    for module in sharded_modules(parts):
        module.reshard()


def local(tensor: Tensor) -> Tensor:
    """This process's rows of a sharded tensor; any other as it is."""
    mine: Any = getattr(tensor, "_local_tensor", tensor)
    return mine  # type: ignore[no-any-return]


def is_dtensor(tensor: Any) -> bool:
    """Whether `tensor` lies over several processes."""
    return hasattr(tensor, "_local_tensor")


def check_optimizer(
    make: Callable[[nn.Module], Any], name: str, part: nn.Module, device: torch.device, engine: Engine
) -> None:
    """Raise UserError where an optimizer cannot move sharded weights such as `part` has: tried on small ones."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    trial = nn.ParameterList(torch.ones(shape) for shape in sorted(_shapes(part, engine.world)))
    fully_shard(trial, mesh=init_device_mesh(device.type, (engine.world,)))
    for parameter in trial.parameters():
        parameter.grad = torch.ones_like(parameter)
    try:
        make(trial).step()
    except Exception as error:
        raise UserError(
            f"parallel=fsdp: optimizer {name} cannot move sharded weights ({_line(error)}).",
            "Take adamw or sgd, or say parallel=ddp: each process then holds the whole model.",
        ) from error


def _shapes(part: nn.Module, world: int) -> set[tuple[int, ...]]:
    """Small shapes that are cut among `world` processes as the weights of `part` are: evenly, unevenly, not at all."""
    shapes = [tuple(parameter.shape) for parameter in part.parameters() if parameter.requires_grad]
    return {
        (shape[0] if shape[0] < world else 2 * world + shape[0] % world, *(min(size, 4) for size in shape[1:]))
        for shape in shapes
    }


def meet_state(optimizers: dict[str, Any]) -> None:
    """Let optimizers make their state, by a step with gradients of zero: what is loaded must lie as it does.

    Weights may move in it; they are loaded after.
    """
    for optimizer in optimizers.values():
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        for parameter in parameters:
            parameter.grad = None


def refusal(error: Exception) -> UserError:
    """For a model that failed when it was tried sharded."""
    return UserError(
        f"parallel=fsdp: the model cannot learn sharded ({_line(error)}).",
        "Say parallel=ddp: each process then holds the whole model.",
    )


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"


@torch.no_grad()
def _agree(part: nn.Module, engine: Engine) -> None:
    """The main process's weights in all, where they are not the same already: each cuts its rows from its own."""
    tensors = [*part.parameters(), *part.buffers()]
    sums = torch.stack([each.double().sum() for each in tensors]) if tensors else torch.zeros(1).double()
    spread = engine.gather(sums.cpu()[None])
    if not bool((spread == spread[:1]).all()):
        for each in tensors:
            torch.distributed.broadcast(each.data, 0)
