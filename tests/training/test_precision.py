"""Training computes in bfloat16 on devices that have it, and there alone."""

import pytest
import torch

from medsr.training.precision import mixed_precision


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_cpu_without_bfloat16_computes_in_float32(
    native: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    a = torch.ones(2, 2)
    with mixed_precision(torch.device("cpu")):
        assert (a @ a).dtype is expected
