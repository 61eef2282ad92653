"""`alexnet doctor`: what this machine has, what it lacks, and how to get it."""

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from alexnet.cli.options import allocator_option, json_option
from alexnet.cli.session import common_options, home, offline
from alexnet.cli.terminal import counted, print_json, size
from alexnet.hardware import cores, processor
from alexnet.home import REMEDY, obstacle, standing
from alexnet.process import describe_memory, describe_waiting, thread_count
from alexnet.version import VERSION

PACKAGES = ("torch", "numpy", "pillow", "safetensors", "click", "rich")
EXTRAS = {
    "simplejpeg": ("fast", "faster decoding of JPEG photographs"),
    "matplotlib": ("see", "pictures"),
    "starlette": ("serve", "the page and the HTTP service"),
    "uvicorn": ("serve", "the page and the HTTP service"),
    "prometheus-client": ("serve", "figures of the HTTP service for Prometheus"),
    "h5py": ("h5", "features in HDF5"),
    "pi-heif": ("heic", "HEIC photographs"),
    "scipy": ("imagenet", "labels from the devkit's meta.mat"),
    "onnx": ("onnx", "ONNX files in and out"),
    "onnxruntime": ("onnx", "running ONNX files"),
    "tensorboard": ("tb", "TensorBoard events of training"),
}
FEATURES = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16", "neon", "sve", "bf16")


@click.command()
@json_option
@allocator_option
@common_options
def doctor(as_json: bool) -> int:
    """Show what this machine has.

    Versions, processor, kernels, dtype, missing extras, space. The exit code is 1 when something essential is
    broken.
    """
    found = _examine()
    if as_json:
        print_json(found)
    else:
        for line in _lines(found):
            click.echo(line)
    return 1 if found["problems"] else 0


def _examine() -> dict[str, Any]:
    cache = home()
    disk = shutil.disk_usage(standing(cache))
    versions = {package: _version(package) for package in PACKAGES}
    problems = [
        f"{package} is not installed: pip install alexnet" for package, found in versions.items() if found is None
    ]
    if reason := obstacle(cache):
        problems.append(f"the cache {cache} cannot be written ({reason}); {REMEDY}")
    found: dict[str, Any] = {
        "alexnet": VERSION,
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": versions,
        "extras": {package: _version(package) for package in EXTRAS},
        "home": str(cache),
        "offline": offline(),
        "disk_free": disk.free,
        "memory": _memory(),
        "problems": problems,
    }
    try:
        return found | _compute()
    except Exception as error:  # whatever an incomplete installation raises is what is to be reported
        problems.append(f"the network does not run: {type(error).__name__}: {error}")
        return found


def _compute() -> dict[str, Any]:
    """What can be told only with PyTorch, after a network has answered."""
    import torch

    from alexnet import kernels
    from alexnet.data import resize
    from alexnet.model.device import place
    from alexnet.model.net import AlexNet
    from alexnet.model.variants import variant

    AlexNet(variant("paper", classes=2, input_size=67))(torch.zeros(1, 3, 67, 67))
    automatic = place()
    cpu: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older releases cannot tell
    return {
        "processor": processor(),
        "features": {name: cpu[name] for name in FEATURES if name in cpu},
        "cores": cores(),
        "threads": thread_count(os.environ) or torch.get_num_threads(),
        "allocator": describe_memory(),
        "waiting": describe_waiting(),
        "compiled_kernels": kernels.available(),
        "kernels": kernels.describe(),
        "gpu_kernels": None if automatic.device.type == "cpu" else kernels.describe(automatic.device),
        "convolutions": kernels.describe_convolutions(automatic.dtype),
        "library": kernels.where(),
        "resizing": resize.describe(),
        "device": str(automatic.device),
        "dtype": automatic.dtype_name,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _memory() -> dict[str, int] | None:
    """Bytes in all and available, where the system tells."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
            return None
        return {"total": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")}
    sizes = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
    return {"total": sizes["MemTotal"], "available": sizes["MemAvailable"]}


def _lines(found: dict[str, Any]) -> list[str]:
    versions = ", ".join(f"{package} {number or 'missing'}" for package, number in found["packages"].items())
    lines = [
        f"alexnet    {found['alexnet']}, Python {found['python']} ({sys.executable})",
        f"system     {found['system']}",
        f"packages   {versions}",
    ]
    if "processor" in found:
        features = ", ".join(name for name, present in found["features"].items() if present) or "none that matter here"
        threads = counted(found["threads"], "thread")
        lines += [
            f"processor  {found['processor']}: {counted(found['cores'], 'core')}, {threads} in use",
            f"features   {features}",
            f"allocator  freed blocks: {found['allocator']}",
            f"waiting    idle threads: {found['waiting']}",
            f"kernels    {found['kernels']}",
            f"answering  convolutions: {found['convolutions']}",
            *([f"library    {found['library']}"] if found["library"] else []),
            f"resizing   {found['resizing']}",
            *([f"GPU        {found['gpu_kernels']}"] if found["gpu_kernels"] else []),
            f"runs on    {found['device']}, in {found['dtype']} (what --device auto and --dtype auto choose)",
        ]
    for package, number in found["extras"].items():
        extra, purpose = EXTRAS[package]
        missing = f"missing ({purpose}); to get it: pip install 'alexnet[{extra}]'"
        lines.append(f"extra      {package} {number or missing}")
    if memory := found["memory"]:
        free = f", {size(memory['available'])} available" if "available" in memory else ""
        lines.append(f"memory     {size(memory['total'])}{free}")
    network = "; ALEXNET_OFFLINE forbids downloads" if found["offline"] else ""
    lines.append(f"cache      {found['home']}, {size(found['disk_free'])} free on its disk{network}")
    lines += [f"PROBLEM    {problem}" for problem in found["problems"]] or ["Everything essential works."]
    return lines
