"""All that NumPy arrays and torch tensors differ in: a saved function is drawn without torch.

Each function takes either kind and returns the same kind. torch is imported where a tensor shows that it is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Array: TypeAlias = "np.ndarray | torch.Tensor"


def constant(values: Any, dtype: np.dtype | torch.dtype, device: torch.device | None = None) -> Array:
    """Values as NumPy array of a NumPy dtype, or as tensor of a torch dtype; gradients flow to ``values``.

    >>> constant([1, 2], np.dtype("float32"))
    array([1., 2.], dtype=float32)
    """
    if isinstance(dtype, np.dtype):
        return np.asarray(values, dtype)
    import torch

    with torch.inference_mode(False):  # It may be kept, and used later where gradients flow.
        return torch.as_tensor(values, dtype=dtype).to(device)  # In this order: Apple GPUs have no float64.


def like(array: Array, values: Any) -> Array:
    """Values of the kind, dtype and device of ``array``.

    >>> like(np.zeros(2, dtype="float32"), [1, 2])
    array([1., 2.], dtype=float32)
    """
    return constant(values, array.dtype, None if isinstance(array, np.ndarray) else array.device)


def take(array: Array, places: NDArray[np.int64] | torch.Tensor, axis: int) -> Array:
    """Entries at some places along an axis.

    >>> take(np.array([5, 6, 7]), np.array([2, 0]), 0)
    array([7, 5])
    """
    if isinstance(array, np.ndarray):
        return array.take(places, axis)
    if isinstance(places, np.ndarray):
        import torch

        places = torch.as_tensor(places, device=array.device)
    return array.index_select(axis, places)


def permute(array: Array, axes: Sequence[int]) -> Array:
    """View with the axes in another order.

    >>> permute(np.zeros((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    return array.transpose(axes) if isinstance(array, np.ndarray) else array.permute(*axes)


def contiguous(array: Array) -> Array:
    """The array itself, or a copy in order of its axes.

    >>> contiguous(np.eye(2, 3).T).strides
    (16, 8)
    """
    return np.ascontiguousarray(array) if isinstance(array, np.ndarray) else array.contiguous()


def concatenate(arrays: Sequence[Any], axis: int) -> Any:
    """The arrays one after another along an axis.

    >>> concatenate([np.zeros((2, 1)), np.zeros((2, 3))], 1).shape
    (2, 4)
    """
    if isinstance(arrays[0], np.ndarray):
        return np.concatenate(arrays, axis)
    import torch

    return torch.cat(list(arrays), axis)


def cos_and_sin(angles: Any) -> tuple[Any, Any]:
    """Cosines and sines of angles in radians.

    >>> cos_and_sin(np.zeros(1))
    (array([1.]), array([0.]))
    """
    return (np.cos(angles), np.sin(angles)) if isinstance(angles, np.ndarray) else (angles.cos(), angles.sin())


def windows(data: Array, width: int, step: int) -> Array:
    """Every ``step``-th window of ``width`` rows as a view: (n, m) -> (windows, m, width).

    >>> windows(np.arange(5)[:, None], 3, 2)[:, 0]
    array([[0, 1, 2],
           [2, 3, 4]])
    """
    if isinstance(data, np.ndarray):
        return np.lib.stride_tricks.sliding_window_view(data, width, axis=0)[::step]
    return data.unfold(0, width, step)


def product(left: Any, right: Any, onto: Any = None) -> Any:
    """Batched matrix product (g, n, w) x (g, w, m); added to ``onto`` (g, n, m) in place where that is given.

    >>> product(np.ones((1, 1, 2)), np.ones((1, 2, 1)))
    array([[[2.]]])
    """
    if isinstance(right, np.ndarray):
        return left @ right if onto is None else np.add(onto, left @ right, out=onto)
    return left.bmm(right) if onto is None else onto.baddbmm_(left, right)


def between(image: Any, left: NDArray[np.float64], right: NDArray[np.float64]) -> Any:
    """``left @ image @ right.T`` in the dtype of ``image``; NumPy computes it in float64, which not all GPUs have.

    >>> between(np.ones((2, 2), dtype=np.float32), np.eye(2), np.ones((1, 2)))
    array([[2.],
           [2.]], dtype=float32)
    """
    if isinstance(image, np.ndarray):
        return (left @ image @ right.T).astype(image.dtype)
    with full_precision(image):
        return like(image, left) @ image @ like(image, right).T


def to_numpy(array: Any) -> np.ndarray:
    """NumPy array of the same values, without their gradients.

    >>> to_numpy([1, 2])
    array([1, 2])
    """
    return array.detach().cpu().numpy() if hasattr(array, "detach") else np.asarray(array)


def full_precision(data: Array) -> AbstractContextManager[Any]:
    """Context in which PyTorch computes in the dtype of ``data``, also where autocast is on.

    >>> with full_precision(np.zeros(2)):
    ...     pass
    """
    if isinstance(data, np.ndarray):
        return nullcontext()
    import torch

    device_type = data.device.type
    with suppress(TypeError, RuntimeError):  # Versions before 2.4 cannot be asked; entering autocast takes 5 us.
        if not torch.is_autocast_enabled(device_type):
            return nullcontext()
    try:
        return torch.autocast(device_type, enabled=False)
    except RuntimeError:  # This version of PyTorch has no autocast for such a device.
        return nullcontext()
