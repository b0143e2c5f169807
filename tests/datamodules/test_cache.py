import pytest
import torch

from datamodules import cache


def prepare(calls):
    def run():
        calls.append(1)
        return {"x": torch.arange(3, dtype=torch.uint8)}, {"content": "abc"}

    return run


def test_what_took_long_is_kept(monkeypatch):
    monkeypatch.setattr(cache, "WORTH", -1.0)
    calls = []
    for _ in range(2):
        tensors, text = cache.kept("key", prepare(calls))
        assert torch.equal(tensors["x"], torch.arange(3, dtype=torch.uint8))
        assert text == {"content": "abc"}
    assert len(calls) == 1


def test_what_took_no_time_is_not():
    calls = []
    for _ in range(2):
        cache.kept("key", prepare(calls))
    assert len(calls) == 2
    assert not list(cache.folder().glob("*.safetensors"))


def test_a_damaged_file_is_replaced(monkeypatch):
    monkeypatch.setattr(cache, "WORTH", -1.0)
    calls = []
    cache.kept("key", prepare(calls))
    (file,) = cache.folder().glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:20])
    for _ in range(2):
        assert cache.kept("key", prepare(calls))[1] == {"content": "abc"}
    assert len(calls) == 2


def test_no_place_to_keep_is_no_error(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LIGHTNING_GANS_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(cache, "WORTH", -1.0)
    assert cache.kept("key", prepare([]))[1] == {"content": "abc"}


@pytest.mark.parametrize("of", ["tensor", "text"])
def test_a_flipped_bit_is_noticed(monkeypatch, of):
    monkeypatch.setattr(cache, "WORTH", -1.0)
    calls = []
    cache.kept("key", prepare(calls))
    (file,) = cache.folder().glob("*.safetensors")
    data = bytearray(file.read_bytes())
    data[-1 if of == "tensor" else data.index(b'"abc"') + 1] ^= 2
    file.write_bytes(data)
    for _ in range(2):
        tensors, text = cache.kept("key", prepare(calls))
        assert torch.equal(tensors["x"], torch.arange(3, dtype=torch.uint8))
        assert text == {"content": "abc"}
    assert len(calls) == 2
