"""Devices that this machine does not have are refused in one paragraph, before anything is built."""

import pytest

from experiments.jobs import devices
from experiments.jobs.devices import check_devices
from lightning_gans.core.errors import UserError


def machine(monkeypatch, **counts):
    monkeypatch.setattr(devices, "available", lambda: {"tpu": 0, "mps": 0, "cuda": 0} | counts)


def settings(text):
    accelerator, _, number = text.partition(" ")
    given = [int(word) for word in number.strip("[]").split(",")] if "[" in number else number
    return {"accelerator": accelerator, "devices": int(given) if str(given).isdigit() else given}


@pytest.mark.parametrize(
    "there, text, said",
    [
        ({}, "cuda 1", "trainer.accelerator=cuda: this machine has CPUs alone that torch can use"),
        ({}, "gpu 2", "Say trainer.accelerator=cpu, or leave it out"),
        ({}, "mps 1", "trainer.accelerator=mps: this machine has CPUs"),
        ({}, "tpu auto", "TPUs need the package torch_xla. Say trainer.accelerator=cpu"),
        ({}, "auto [0]", "trainer.devices=[0] names devices by their numbers, and CPUs have none"),
        ({}, "cpu [0,0]", "Say trainer.devices=2"),
        ({"cuda": 2}, "mps 1", "this machine has 2 CUDA GPUs. Say trainer.accelerator=cuda or trainer.accelerator=cpu"),
        ({"cuda": 2}, "cpu [1]", "Say trainer.devices=1"),
        ({"cuda": 2}, "cuda 3", "trainer.devices=3: this machine has 2 CUDA GPUs. Say trainer.devices=2, or"),
        ({"cuda": 2}, "auto [0,2]", "2 CUDA GPUs, numbered 0 to 1. Say trainer.devices=[0]"),
        ({"mps": 1}, "gpu 2", "this machine has 1 Apple GPU. Say trainer.devices=1"),
    ],
)
def test_what_this_machine_lacks_is_refused(monkeypatch, there, text, said):
    machine(monkeypatch, **there)
    with pytest.raises(UserError) as caught:
        check_devices(settings(text))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "there, text",
    [
        ({}, "auto 1"),
        ({}, "cpu 4"),
        ({}, "auto auto"),
        ({"cuda": 2}, "cuda [1]"),
        ({"cuda": 2}, "gpu 2"),
        ({"cuda": 2}, "auto auto"),
        ({"cuda": 2}, "cpu 8"),
        ({"mps": 1}, "mps 1"),
    ],
)
def test_what_this_machine_has_is_let_through(monkeypatch, there, text):
    machine(monkeypatch, **there)
    check_devices(settings(text))


def test_a_launcher_may_show_each_process_its_own_device_alone(monkeypatch):
    machine(monkeypatch, cuda=1)
    check_devices(settings("cuda 4"), launched=True)


def test_this_machine_is_asked():
    assert set(devices.available()) == {"tpu", "mps", "cuda"}
