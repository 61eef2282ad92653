"""What is done to files: bytes changed at random, and things said that no program says, with checksums that are right.

The second are files of a stranger. What is read there may be anything that can be computed with; nothing may crash,
hang or be unexpected.
"""

import io
import json
import random
from collections.abc import Callable
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alexnet.data.store import _fingerprint, as_json
from alexnet.weights.model_dir import fingerprint

Change = Callable[[Path, bytes, random.Random], None]
"""Writes the file at a path anew, from its content, with something changed."""

_NUMBERS = (0, 1, -1, 2, 7, 1000, 10**6, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, -(2**63), 10**400)
_FLOATS = (0.0, -0.0, 0.5, -1.5, 1e-308, 1e300, -1e300, float("nan"), float("inf"), float("-inf"))
_TEXTS = ("", "x", "\x1b[31m", "\ud800", "../../x", "/dev/zero", "a" * 200_000, "none", "relu", "\x00", "conv1", "0")


def change(path: Path, content: bytes, rng: random.Random) -> None:
    """Any file: bytes of it."""
    path.write_bytes(changed(content, rng))


def changed(content: bytes, rng: random.Random) -> bytes:
    """The content with something changed: bits, numbers, runs of bytes, its end."""
    made = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        if not made:
            return b"?"
        at, size = rng.randrange(len(made)), rng.choice((1, 2, 4, 8, 100))
        match rng.randrange(7):
            case 0:
                made[at] ^= 1 << rng.randrange(8)
            case 1:
                made[at : at + size] = rng.randbytes(size)
            case 2:
                made[at : at + size] = rng.choice((b"\x00", b"\xff", b"\x7f", b"9", b"[")) * size
            case 3:
                del made[at:]
            case 4:
                del made[at : at + size]
            case 5:
                made[at:at] = made[rng.randrange(len(made)) :][:size]
            case 6:
                made[at : at + 8] = rng.choice((2**31 - 1, 2**63 - 1, 2**32, 0)).to_bytes(
                    8, rng.choice(("big", "little"))
                )
    return bytes(made)


def _anything(rng: random.Random) -> Any:
    match rng.randrange(6):
        case 0:
            return rng.choice((None, True, False, [], {}))
        case 1:
            return rng.choice(_TEXTS)
        case 2:
            return rng.choice(_FLOATS)
        case 3:
            return rng.choice(([[1, 2], 3], {"kind": "pool"}, [None] * 5, {"a": {"b": 1}}))
    return rng.choice(_NUMBERS)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every object or list of plain data with each key or number in it."""
    inner = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    return [(value, key) for key, _ in inner] + [place for _, item in inner for place in _places(item)]


def forge(value: Any, rng: random.Random) -> Any:
    """Plain data with something changed, taken away or doubled; the value may be altered."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if not (places := _places(value)):
            break
        above, key = rng.choice(places)
        match rng.randrange(10):
            case 0:
                del above[key]
            case 1 if isinstance(above, list):
                above[key:key] = above[key : key + 1] * rng.choice((1, 3, 2000))
            case 2:
                other, there = rng.choice(places)
                if (there in other) if isinstance(other, dict) else (there < len(other)):
                    above[key] = deepcopy(other[there])
            case 3:
                for _ in range(rng.choice((1, 60, 200))):
                    above[key] = [above[key]]
            case _:
                above[key] = _anything(rng)
    return value


def forge_json(path: Path, content: bytes, rng: random.Random) -> None:
    """A file of JSON without checksums, in one piece or by lines."""
    lines = content.splitlines() if path.suffix == ".jsonl" else [content]
    at = rng.randrange(len(lines))
    lines[at] = json.dumps(forge(json.loads(lines[at]), rng)).encode()
    path.write_bytes(b"\n".join(lines) + b"\n")


def forge_model(path: Path, content: bytes, rng: random.Random) -> None:
    """A model.json, or a file of tensors that it has the digest of."""
    file = path.with_name("model.json")
    if path == file:
        description = forge(json.loads(content), rng)
    else:
        change(path, content, rng)
        description = json.loads(file.read_bytes())
        description["sha256"][path.name] = sha256(path.read_bytes()).hexdigest()
    file.write_text(json.dumps(description | {"fingerprint": fingerprint(description)}))


def forge_checkpoint(path: Path, content: bytes, rng: random.Random) -> None:
    """A checkpoint: plain data in it, or a tensor."""
    plain = torch.load(io.BytesIO(content), weights_only=True)
    tensors = [place for place in _places(plain) if isinstance(place[0][place[1]], torch.Tensor)]
    if rng.random() < 0.3:
        above, key = rng.choice(tensors)
        tensor = above[key]
        flat = tensor.reshape(-1)
        others = (tensor.double(), tensor[None], flat[:1], flat[:0], tensor * float("nan"), tensor.bool())
        above[key] = rng.choice(others)
    else:
        forge(plain, rng)
    torch.save(plain, path)


def forge_store(path: Path, content: bytes, rng: random.Random) -> None:
    """A manifest, or a file that it counts."""
    manifest = path.parent / "manifest.json"
    plain = json.loads(content if path == manifest else manifest.read_bytes())
    if path == manifest:
        forge(plain, rng)
    else:
        made = _forged_array(content, rng) if path.suffix == ".npy" else as_json(forge(json.loads(content), rng))
        path.write_bytes(made)
        plain["files"][path.name] = {"bytes": len(made), "sha256": sha256(made).hexdigest()}
    plain["fingerprint"] = _fingerprint(plain)
    manifest.write_bytes(as_json(plain))


def _forged_array(content: bytes, rng: random.Random) -> bytes:
    array = np.load(io.BytesIO(content)).copy()
    if rng.random() < 0.3:
        array = rng.choice((array[:-1], array[None], array.byteswap(), array.reshape(-1)[:1], array.astype("O")))
    numbers = array.view("u1") if array.dtype != object and array.flags.c_contiguous and array.ndim else None
    if numbers is not None:
        flat = numbers.reshape(-1)
        for _ in range(rng.choice((1, 2, 8))):
            at = rng.randrange(len(flat))
            flat[at : at + rng.choice((1, 2, 8))] = rng.choice((0, 1, 127, 128, 255))
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()
