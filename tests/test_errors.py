"""What an error means beyond its class."""

import pytest

from medsr.errors import ResourceError, is_out_of_memory


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: not enough memory"), True),
        (ResourceError("not enough memory to read the scan"), True),
        (ResourceError("no such device"), False),
        (ValueError("memory"), False),
    ],
)
def test_memory_that_ran_out_is_recognised_by_class_or_by_words(error, expected):
    assert is_out_of_memory(error) is expected
