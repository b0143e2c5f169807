"""A process that tests fork from: it has imported what is slow to import, and read and composed what is usual."""

import multiprocessing
from multiprocessing.context import ForkServerContext


def fork_server() -> ForkServerContext:
    """The context whose processes are forks of one that has imported warm_up.py; one server serves a session."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.helpers.warm_up"])
    return context
