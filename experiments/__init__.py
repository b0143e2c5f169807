"""Commands: `python -m experiments` lists them, `python -m experiments.train` is the first one."""

import os
import sys
from pathlib import Path

# `python -m` puts the working directory before all installed packages: a yaml.py or torch.py in a folder from a
# stranger would be run. It moves to the end, where modules of the user's own are still found, unless this package
# itself lies there. While `python -m` looks for its module, argv[0] is "-m".
if (
    sys.argv[:1] == ["-m"]
    and sys.path[:1] == [os.getcwd()]
    and Path(__file__).parents[1] != Path(sys.path[0]).resolve()
):
    sys.path.append(sys.path.pop(0))
