"""Work on a GPU recorded once and replayed: the kernels of a training step run three times as fast as they launch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Work = Callable[..., Tensor]
"""Tensors to a tensor, with whatever else it changes in place; never waits for the device."""

RUNS_BEFORE = 3  # libraries choose their kernels and optimisers make their state in the first runs


@dataclass(frozen=True)
class _Recording:
    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, ...]
    output: Tensor


class Replayed:
    """The same work for CUDA tensors: run as it is at first, then recorded for each shape of its inputs and replayed.

    See "CUDA semantics: CUDA Graphs" in the documentation of torch. What the work changes in place it must find at the
    same place at every call.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._runs: dict[tuple[torch.Size, ...], int] = {}
        self._recordings: dict[tuple[torch.Size, ...], _Recording] = {}
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Do the work."""
        key = tuple(part.shape for part in inputs)
        runs = self._runs[key] = self._runs.get(key, 0) + 1
        if runs <= RUNS_BEFORE:
            return self._run(inputs)
        if key not in self._recordings:
            self._recordings[key] = self._recorded(inputs)
        recording = self._recordings[key]
        for place, part in zip(recording.inputs, inputs, strict=True):
            place.copy_(part)
        recording.graph.replay()
        return recording.output.clone()

    def _run(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """On a stream of its own, as a recording will be."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            output = self._work(*inputs)
        torch.cuda.current_stream().wait_stream(self._stream)
        return output

    def _recorded(self, inputs: tuple[Tensor, ...]) -> _Recording:
        """Nothing is computed while it is recorded."""
        places = tuple(part.clone() for part in inputs)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):  # others pin memory
            output = self._work(*places)
        return _Recording(graph, places, output)
