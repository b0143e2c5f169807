"""Lightning's DDP for games: the module is not wrapped, and the game exchanges only the moving player's gradients.

DistributedDataParallel reduces every parameter in every backward pass. In a game it would raise an error at the second
backward pass or, with find_unused_parameters, send all players' gradients in every phase.
"""

import torch
from pytorch_lightning.strategies import DDPStrategy
from torch import nn
from torch.distributed import broadcast


class PlayerDDPStrategy(DDPStrategy):
    """One process per device; weights start as rank 0's and are updated with gradients that `Game` averages."""

    @property
    def root_device(self) -> torch.device:
        """Device of this process: its own among those of the machine, or the only visible one."""
        assert self.parallel_devices is not None
        return self.parallel_devices[self.local_rank if len(self.parallel_devices) > 1 else 0]

    def configure_ddp(self) -> None:
        assert self.model is not None
        broadcast_state(self.model)


def broadcast_state(module: nn.Module) -> None:
    """Broadcast rank 0's parameters and buffers to every rank."""
    for tensor in (*module.parameters(), *module.buffers()):
        broadcast(tensor.detach(), src=0)
