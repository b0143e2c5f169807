"""Commands: `python -m experiments` lists them, `python -m experiments.train` is the first one."""

import os
import sys
from pathlib import Path

# `python -m` puts the working directory before all installed packages, so that a yaml.py or torch.py in an untrusted
# folder would be executed. Move it to the end, where the user's own modules are still found, unless it contains this
# package. While `python -m` looks for its module, argv[0] is "-m".
if (
    sys.argv[:1] == ["-m"]
    and sys.path[:1] == [os.getcwd()]
    and Path(__file__).parents[1] != Path(sys.path[0]).resolve()
):
    sys.path.append(sys.path.pop(0))
