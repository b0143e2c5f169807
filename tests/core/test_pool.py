import torch

from lightning_gans.core.pool import ImagePool
from lightning_gans.core.rng import stream


def alone(x):
    return x


def test_the_first_images_are_handed_back_and_stored():
    pool = ImagePool(50, 1)
    for i in range(25):
        fresh = torch.tensor([[2.0 * i], [2.0 * i + 1]])
        assert torch.equal(pool.query(fresh, torch.zeros(2, 2)), fresh)
        pool.commit(alone)
    assert pool.images.flatten().tolist() == list(range(50))


def test_half_of_what_is_handed_back_is_old_and_makes_room():
    pool, draws = ImagePool(50, 1), stream("pool")
    pool.images.copy_(torch.arange(50.0)[:, None])
    pool.count.fill_(50)
    held, old = set(range(50)), 0
    for i in range(50, 1050):
        (found,) = pool.query(torch.tensor([[float(i)]]), torch.rand(1, 2, generator=draws)).flatten().tolist()
        pool.commit(alone)
        assert found == i or found in held
        if found != i:
            held = held - {found} | {i}
            old += 1
        assert set(pool.images.flatten().tolist()) == held
    assert abs(old / 1000 - 0.5) < 0.06  # 3.8 deviations


def test_a_batch_in_parts_is_the_batch():
    whole, parts, draws = ImagePool(8, 2), ImagePool(8, 2), stream("parts")
    for _ in range(20):
        fresh, uniform = torch.randn(6, 2, generator=draws), torch.rand(6, 2, generator=draws)
        expected = whole.query(fresh, uniform)
        whole.commit(alone)
        found = torch.cat([parts.query(*part) for part in zip(fresh.split(3), uniform.split(3), strict=True)])
        parts.commit(alone)
        assert torch.equal(found, expected)
        assert torch.equal(parts.images, whole.images)
    assert len({tuple(row) for row in whole.images.tolist()}) == 8


def test_what_it_keeps_is_detached_and_in_its_state():
    pool = ImagePool(4, 3)
    x = torch.ones(4, 3, requires_grad=True) * 2
    assert not pool.query(x, torch.zeros(4, 2)).requires_grad
    pool.commit(alone)
    other = ImagePool(4, 3)
    other.load_state_dict(pool.state_dict())
    assert torch.equal(other.images, torch.full((4, 3), 2.0))
    assert other.count == 4
