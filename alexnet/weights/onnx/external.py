"""Numbers that an ONNX file keeps in files beside it, as exporters do with large networks."""

from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

from alexnet.errors import WeightsError
from alexnet.weights.foreign.importing import MAX_BYTES
from alexnet.weights.onnx.extra import onnx_package


def bring_in(tensor: Any, path: Path) -> int:
    """Puts the numbers of `tensor`, which the ONNX file `path` keeps elsewhere, into it; returns their bytes.

    Only plain files in the folder of `path` or below are read, and of them only as many bytes as the tensor's shape
    needs. Raises WeightsError for any other place, and where the bytes are not there.
    """
    onnx = onnx_package()
    told = {entry.key: entry.value for entry in tensor.external_data}
    where = f"{path} keeps {tensor.name!r} in {told.get('location', '')!r}"
    file = _beside(told.get("location", ""), path.parent, where)
    try:
        start, length = (int(told[key]) if key in told else None for key in ("offset", "length"))
        size: int = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize * prod(tensor.dims)
        present = file.stat().st_size
    except (KeyError, ValueError, OSError) as error:
        raise WeightsError(f"{where}, and what it says of that is damaged: {error}.") from error
    if min((*tensor.dims, start or 0)) < 0 or size > MAX_BYTES or length not in (None, size):
        raise WeightsError(f"{where}, {length} bytes for shape {tuple(tensor.dims)}, which does not fit together.")
    if (start or 0) + size > present:
        raise WeightsError(f"{where}, but that file has {present:,} bytes and ends before them; fetch it again.")
    try:
        with file.open("rb") as opened:
            opened.seek(start or 0)
            content = opened.read(size)
    except OSError as error:
        raise WeightsError(f"{where}, which cannot be read: {error.strerror or error}.") from error
    tensor.raw_data = content
    tensor.data_location = onnx.TensorProto.DEFAULT
    del tensor.external_data[:]
    return size


def _beside(location: str, folder: Path, where: str) -> Path:
    """The file of that name in `folder` or below. Raises WeightsError for any other place."""
    name = PurePosixPath(location.replace("\\", "/"))
    outside = WeightsError(f"{where}, which is not a file beside it; such files are not read.")
    if not name.parts or "\0" in location or ".." in name.parts or name.is_absolute() or Path(location).drive:
        raise outside
    file = folder / name
    if not file.exists():
        raise WeightsError(f"{where}, and there is no such file beside it; put both into one folder.")
    if not file.is_file() or not file.resolve().is_relative_to(folder.resolve()):
        raise outside
    return file
