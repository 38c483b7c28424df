"""Which arithmetic is chosen, and that bfloat16 keeps parameters and losses in float32."""

import subprocess
import sys

import pytest
import torch

from common.config import TrainConfig
from common.setup.check import ROOT
from common.training import precision as module
from common.training import resolve_precision, train

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("requested", ["float32", "bfloat16"])
def test_an_explicit_precision_is_taken(requested):
    assert resolve_precision(requested, CPU) == requested
    assert resolve_precision(requested, CUDA) == requested


@pytest.mark.parametrize(("hardware", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_auto_on_a_cpu_asks_the_hardware(monkeypatch, hardware, expected):
    monkeypatch.setattr(module, "cpu_has_bfloat16", lambda: hardware)
    assert resolve_precision("auto", CPU) == expected


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "float32"), ((8, 0), "bfloat16")])
def test_auto_on_cuda_asks_for_ampere(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert resolve_precision("auto", CUDA) == expected


@pytest.mark.parametrize("probe", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_either_instruction_set_will_do(monkeypatch, probe):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert not module.cpu_has_bfloat16()
    monkeypatch.setattr(torch.cpu, probe, lambda: True)
    assert module.cpu_has_bfloat16()


def test_bfloat16_learns_and_keeps_float32_weights(toy_model, toy_data, one_thread):
    model = toy_model()
    recipe = TrainConfig(epochs=6, batch_size=10, lr=0.1)
    result = train(
        model, toy_data(batch_size=10), recipe, masks={}, seed=0, device=CPU, precision="bfloat16"
    )
    assert {value.dtype for value in model.parameters()} == {torch.float32}
    assert result.metrics["test_accuracy"] > 60  # chance is 25


def test_tiny_numbers_are_flushed_to_zero_and_threads_set():
    before = torch.get_num_threads()
    try:
        module.prepare_device(CPU, threads=1)
        assert torch.get_num_threads() == 1
        assert float(torch.tensor([1e-38]) * 1e-3) == 0.0
    finally:
        torch.set_num_threads(before)


FAULTS = """
import resource, torch
from common.training import prepare_device
prepare_device(torch.device("cpu"), 1)
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(16 * 2**20)  # 64 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults(), faults(), faults())
"""


@pytest.mark.skipif(not module.keep_freed_memory(), reason="this C library has no mallopt")
def test_the_memory_of_a_large_tensor_is_used_again_without_page_faults():
    run = subprocess.run(
        [sys.executable, "-c", FAULTS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    first, second, third = map(int, run.stdout.split())
    assert max(second, third) * 4 < first
