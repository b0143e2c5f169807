"""Lightning's DDP for games: the module stays unwrapped, and the game exchanges the moving player's gradients alone.

DistributedDataParallel reduces every parameter at every backward, so it raises at a game's second one, or, told to look
for unused parameters, sends everybody's gradients in every phase.
"""

import torch
from pytorch_lightning.strategies import DDPStrategy
from torch import nn
from torch.distributed import broadcast


class PlayerDDPStrategy(DDPStrategy):
    """One process per device; weights start as rank 0's and move by gradients that `Game` averages over the ranks."""

    @property
    def root_device(self) -> torch.device:
        """The device of this process: its own among those of the machine, or the only one that it can see."""
        assert self.parallel_devices is not None
        return self.parallel_devices[self.local_rank if len(self.parallel_devices) > 1 else 0]

    def configure_ddp(self) -> None:
        assert self.model is not None
        broadcast_state(self.model)


def broadcast_state(module: nn.Module) -> None:
    """Give every rank rank 0's parameters and buffers."""
    for tensor in (*module.parameters(), *module.buffers()):
        broadcast(tensor.detach(), src=0)
