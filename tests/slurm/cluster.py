"""A SLURM of two nodes on this machine, from Debian's packages, in a folder of its own."""

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "scontrol", "squeue", "scancel")
NODES = ("n1", "n2")

# Two cores pose as eight. cred_expire: a job that is queued again waits until its credential has expired.
CONF = """\
ClusterName=t
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/munge.sock,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1
SlurmdParameters=config_overrides
PropagateResourceLimits=NONE
ReturnToService=2
KillOnBadExit=1
KillWait=10
SlurmdTimeout=30
MinJobAge=600
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.%n.log
NodeName=n[1-2] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[{first}-{second}] CPUs=4 RealMemory=4000 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=40
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""

# There is no accounting: what submitit asks sacct for, by way of scontrol.
SACCT = """\
#!/bin/sh
echo "JobID|State|NodeList"
scontrol -o show job 2>/dev/null | awk '{
    for (i = 1; i <= NF; i++) { at = index($i, "="); v[substr($i, 1, at - 1)] = substr($i, at + 1) }
    id = ("ArrayJobId" in v) ? v["ArrayJobId"] "_" v["ArrayTaskId"] : v["JobId"]
    print id "|" v["JobState"] "|" v["NodeList"]
    delete v
}'
"""


def missing() -> str | None:
    """The reason why no cluster can be started here, in a sentence; None where one can."""
    if os.geteuid():
        return "a SLURM for tests is started by root alone"
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)} not found: apt-get install slurmctld slurmd slurm-client munge"
    return None


class Cluster:
    """Two nodes, n1 and n2, of four cores each; partitions `debug` (can be pre-empted, 40 s of grace) and `high`.

    environ: variables by which SLURM's commands find it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        tools = folder / "bin"
        self.environ = {
            "SLURM_CONF": str(self.conf),
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "MASTER_ADDR": "127.0.0.1",  # n1 is no name that a resolver knows
        }
        for name in ("munge", "state", "spool", "log", "bin"):
            (folder / name).mkdir(parents=True)
        (tools / "sacct").write_text(SACCT)
        (tools / "sacct").chmod(0o755)

    def start(self) -> "Cluster":
        port, first = _ports()
        self.conf.write_text(CONF.format(folder=self.folder, port=port, first=first, second=first + 1))
        munge = self.folder / "munge"
        key = munge / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        munge.chmod(0o711)
        files = {"key-file": key, "socket": munge / "munge.sock", "pid-file": munge / "munged.pid"}
        files |= {"log-file": munge / "munged.log", "seed-file": munge / "munged.seed"}
        self.run("munged", "--force", *(f"--{name}={path}" for name, path in files.items()))
        self.run("slurmctld", "-c", "-f", str(self.conf))
        for node in NODES:
            self.boot(node)
        self.until(lambda: self.nodes() == {"idle"}, 30, "the nodes are not ready")
        return self

    def stop(self) -> None:
        self.run("scancel", "--state=RUNNING", "--signal=KILL", "--full", "--user=root", check=False)
        self.run("scontrol", "shutdown", check=False)
        for name in ("slurmctld.pid", *(f"slurmd.{node}.pid" for node in NODES), "munge/munged.pid"):
            _end(self.folder / name)

    def boot(self, node: str) -> None:
        """Start the daemon of a node."""
        self.run("slurmd", "-N", node, "-f", str(self.conf))

    def crash(self, node: str) -> None:
        """The node is gone: its daemon and all that runs there."""
        daemon = int((self.folder / f"slurmd.{node}.pid").read_text())
        # slurmstepd names its node on no command line, so steps are found by the log file that they have open
        for pid in [daemon, *_steps(self.folder / "log" / f"slurmd.{node}.log")]:
            for child in [*_below(pid), pid]:
                _kill(child, 9)

    def nodes(self) -> set[str]:
        return set(self.run("sinfo", "--noheader", "--Node", "--format=%T", check=False).split())

    def run(self, *command: str, check: bool = True, cwd: Path | None = None) -> str:
        """Output of a command."""
        done = subprocess.run(
            command, env=os.environ | self.environ, cwd=cwd, capture_output=True, text=True, timeout=60
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def submit(self, *command: str, cwd: Path) -> str:
        """The number of the job that sbatch has queued."""
        return self.run("sbatch", "--parsable", *command, cwd=cwd).strip()

    def job(self, number: str) -> dict[str, str]:
        """Fields of `scontrol show job`."""
        said = self.run("scontrol", "--oneliner", "show", "job", number, check=False)
        return dict(re.findall(r"(\w+)=(\S*)", said.partition("\n")[0]))

    def state(self, number: str) -> str:
        return self.job(number).get("JobState", "gone")

    def ended(self, number: str, seconds: float) -> str:
        """The state in which a job has ended."""
        over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "PREEMPTED", "NODE_FAIL", "gone")
        self.until(lambda: self.state(number) in over, seconds, f"job {number} has not ended")
        return self.state(number)

    def until(self, condition, seconds: float, otherwise: str) -> None:  # type: ignore[no-untyped-def]
        """Wait for a condition."""
        over = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < over, f"{otherwise} after {seconds} s\n{self.told()}"
            time.sleep(0.2)

    def told(self) -> str:
        """The queue and the end of the controller's log, for a failed test."""
        log = self.folder / "log" / "slurmctld.log"
        tail = log.read_text().splitlines()[-30:] if log.is_file() else []
        return "\n".join([self.run("scontrol", "--oneliner", "show", "job", check=False), *tail])


def _ports() -> tuple[int, int]:
    """A free port, and the first of two free ones."""
    for port in range(16_000 + os.getpid() % 1000, 30_000, 3):
        if all(_free(port + more) for more in range(3)):
            return port, port + 1
    raise OSError("no free ports")


def _free(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) != 0


def _steps(log: Path) -> list[int]:
    """The processes that have a node's log open: its slurmd and every slurmstepd."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(file) == str(log) for file in (folder / "fd").iterdir()):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def _below(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [one for child in map(int, text.split()) for one in (*_below(child), child)]


def _end(file: Path) -> None:
    """End the daemon of a pid file, if it is there, and wait for it."""
    try:
        pid = int(file.read_text())
    except (OSError, ValueError):
        return
    for number in (15, 9):
        _kill(pid, number)
        for _ in range(50):
            if not Path(f"/proc/{pid}").exists():
                return
            time.sleep(0.1)


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
