"""Long turns of the critic, as the code of WGAN takes them."""

from lightning_gans.variants.turns import generator_moves, turns_end
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import Watch, play


def authors(iterations, *, steps=5, long=100):
    """martinarjovsky/WassersteinGAN, main.py: which iterations end with a step of G."""
    moves, moved, done = [], 0, 0
    while len(moves) < iterations:
        done += 1
        if done == (long if moved < 25 or moved % 500 == 0 else steps):
            moves.append(True)
            moved, done = moved + 1, 0
        else:
            moves.append(False)
    return moves


def test_the_turns_are_those_of_the_authors_code():
    iterations = 100 * 25 + 5 * 475 + 100 + 5 * 499 + 100 + 5
    found = [generator_moves(i, steps=5, long=100) for i in range(iterations)]
    assert found == authors(iterations)
    assert turns_end(25, steps=5, long=100) == 2500
    assert turns_end(501, steps=5, long=100) == 2500 + 5 * 475 + 100


def test_a_turn_may_be_of_one_step():
    assert [generator_moves(i, steps=1, long=3) for i in range(78)] == authors(78, steps=1, long=3)


def test_g_waits_for_the_critic(tmp_path):
    config = composed("wgan", "data=ring", "variant.discriminator_warm_up=4", iterations=9)
    watch = Watch(lambda trainer, game: game.read_losses().get("G/loss") is not None)
    play(game_of(config), data_of(config), tmp_path, watch)
    assert [i + 1 for i, moved in enumerate(watch.seen) if moved] == [4, 8]
