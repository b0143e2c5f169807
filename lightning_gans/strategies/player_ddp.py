"""Lightning's DDP for games: the module stays unwrapped, and the game exchanges the moving player's gradients alone.

DistributedDataParallel reduces every parameter at every backward, so it raises at a game's second one, or, told to look
for unused parameters, sends everybody's gradients in every phase.
"""

from pytorch_lightning.strategies import DDPStrategy
from torch import nn
from torch.distributed import broadcast


class PlayerDDPStrategy(DDPStrategy):
    """One process per device; weights start as rank 0's and move by gradients that `Game` averages over the ranks."""

    def configure_ddp(self) -> None:
        assert self.model is not None
        broadcast_state(self.model)


def broadcast_state(module: nn.Module) -> None:
    """Give every rank rank 0's parameters and buffers."""
    for tensor in (*module.parameters(), *module.buffers()):
        broadcast(tensor.detach(), src=0)
