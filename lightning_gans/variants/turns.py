"""Schedule of turns: steps of the discriminator before each step of the generator."""

from bisect import bisect_left

FIRST = 25  # first steps of G, each after a long turn of D
PERIOD = 500  # steps of G from one long turn to the next, afterwards


def turns_end(generator_steps: int, *, steps: int, long: int) -> int:
    """Number of iterations (steps of D) after which G has moved `generator_steps` times.

    Steps of G number 0 to 24, 500, 1000, ... come after a long turn of D, the others after `steps` (the code of
    Arjovsky et al. 2017, 1701.07875: `gen_iterations < 25 or gen_iterations % 500 == 0`).
    """
    if generator_steps <= FIRST:
        return long * generator_steps
    turns = FIRST + (generator_steps - 1) // PERIOD
    return long * turns + steps * (generator_steps - turns)


def generator_moves(iteration: int, *, steps: int, long: int) -> bool:
    """Return True if a turn of D ends with this iteration; depends on its number only, so that a run can resume."""
    done = iteration + 1
    moved = bisect_left(range(done + 1), done, key=lambda moves: turns_end(moves, steps=steps, long=long))
    return turns_end(moved, steps=steps, long=long) == done
