"""What a checkpoint may hold, and its form in a file that is loaded without running code (``weights_only``)."""

import ast
from typing import Any

import numpy as np
import torch

_PLAIN = (type(None), bool, int, float, str, bytes)
# The keys that mark an encoded value; a dict of the caller's must not hold them.
_ARRAY, _ACCELERATOR = "__ndarray__", "__accelerator__"


def encode(value: Any, where: str = "part") -> Any:
    """Arrays become tagged bytes (torch knows neither all dtypes nor NumPy scalars), tensors move to the CPU."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, torch.Tensor):
        return _encode_tensor(value.detach())
    if isinstance(value, (np.ndarray, np.generic)):
        return _encode_array(value, where)
    if isinstance(value, dict):
        for key in value:
            if type(key) not in (str, int) or key in (_ARRAY, _ACCELERATOR):
                raise TypeError(f"{where}: a checkpoint cannot hold the key {key!r}")
        return {key: encode(item, f"{where}.{key}") for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(encode(item, f"{where}[{index}]") for index, item in enumerate(value))
    raise TypeError(f"{where}: a checkpoint cannot hold a {type(value).__qualname__}")


def decode(value: Any, device: torch.device | str = "cpu") -> Any:
    """Inverse of `encode`."""
    if isinstance(value, dict):
        if _ACCELERATOR in value:
            return value[_ACCELERATOR].to(device)
        if _ARRAY in value:
            dtype = np.lib.format.descr_to_dtype(ast.literal_eval(value[_ARRAY]))
            array = value["data"].numpy().view(dtype).reshape(value["shape"])
            return array[()] if value["scalar"] else array
        return {key: decode(item, device) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(decode(item, device) for item in value)
    return value


def _encode_tensor(tensor: torch.Tensor) -> Any:
    if tensor.device.type != "cpu":
        return {_ACCELERATOR: tensor.cpu()}
    # A view would drag its whole storage into the file.
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()


def _encode_array(array: np.ndarray | np.generic, where: str) -> dict[str, Any]:
    if array.dtype.hasobject:
        raise TypeError(f"{where}: a checkpoint cannot hold an array of objects")
    descr = repr(np.lib.format.dtype_to_descr(array.dtype))
    # A copy, as torch wants memory that it may write to; uint8, as every dtype can be seen as bytes.
    data = torch.from_numpy(np.array(array, order="C").reshape(-1).view(np.uint8))
    return {_ARRAY: descr, "shape": list(array.shape), "scalar": isinstance(array, np.generic), "data": data}
