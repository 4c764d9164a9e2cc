"""Memory that is used again."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Workspace:
    """Arrays that one thread uses again and again: fresh memory costs more than what is done to it."""

    def __init__(self) -> None:
        self._buffers: dict[str, NDArray[np.uint8]] = {}

    def array(self, name: str, n: int, dtype: Any) -> NDArray:
        """An array of n values, whatever they are; the one of the same name is not to be used any more."""
        size = n * np.dtype(dtype).itemsize
        grows = name in self._buffers
        if not grows or self._buffers[name].size < size:
            self._buffers.pop(name, None)
            # once more, and enough for the next as well: what is not used takes no memory
            self._buffers[name] = np.empty(size + size // 2 if grows else size, np.uint8)
        return self._buffers[name][:size].view(dtype)
