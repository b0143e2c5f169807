"""Lightning cluster environment with given ranks, which reads no environment variable.

Lightning's own environments detect a launcher from variables that also occur without one, and raise an error if SLURM
was asked for processes that the trainer does not use.
"""

from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import find_free_network_port


class GivenProcesses(ClusterEnvironment):
    """Processes of a launcher; without a launcher, the first process, which starts the others on this machine.

    Args:
        rank, size: rank among all processes, 0 to size - 1, and their number.
        local_rank: rank among the processes on this machine.
        node: number of this machine.
        address, port: where rank 0 listens; None if Lightning starts the processes.
    """

    def __init__(
        self,
        *,
        rank: int = 0,
        size: int = 1,
        local_rank: int = 0,
        node: int = 0,
        address: str | None = None,
        port: int | None = None,
    ) -> None:
        super().__init__()
        self._rank, self._size, self._local_rank, self._node = rank, size, local_rank, node
        self._address, self._port = address, port

    @staticmethod
    def detect() -> bool:
        return False

    @property
    def creates_processes_externally(self) -> bool:
        return self._address is not None

    @property
    def main_address(self) -> str:
        return self._address or "127.0.0.1"

    @property
    def main_port(self) -> int:
        if self._port is None:
            self._port = find_free_network_port()
        return self._port

    def world_size(self) -> int:
        return self._size

    def set_world_size(self, size: int) -> None:
        if not self.creates_processes_externally:
            self._size = size

    def global_rank(self) -> int:
        return self._rank

    def set_global_rank(self, rank: int) -> None:
        """Do nothing, since ranks are given."""

    def local_rank(self) -> int:
        return self._local_rank

    def node_rank(self) -> int:
        return self._node
