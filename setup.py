"""Compiles the kernels of alexnet/kernels, and the resizing of photographs, where a C++ compiler allows it.

Everything else about the package stands in pyproject.toml.
"""

import platform
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

FOLDER = "alexnet/kernels"
# NaN and infinity keep their meaning, so no -ffast-math: only errno and exception flags are given up.
FLAGS = ["-std=c++17", "-O3", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math"]
# Beside "generic", with the features that dispatch.cpp asks for before it chooses them.
X86 = {
    "avx2": ["-mavx2", "-mfma"],
    "avx512": [
        *("-mavx2", "-mfma", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"),
        "-mprefer-vector-width=512",
    ],
}


class BuildKernels(build_ext):
    """Compiles the kernels once for each instruction set and links one library that chooses at run time."""

    def build_extension(self, ext: Extension) -> None:
        """Leaves the library where setuptools expects the extension; one thread only if there is no OpenMP."""
        library = self.get_ext_fullpath(ext.name)
        if ext is RESIZE:
            # Fused multiply-adds would round the coefficients otherwise than Pillow does.
            objects = self.compile(ext.sources[0], "resize", [], ["-ffp-contract=off"])
            self.compiler.link_shared_object(objects, library, target_lang="c++")
            return
        try:
            self.build(library, ["-fopenmp"])
        except CompileError:
            self.build(library, [])

    def build(self, library: str, threads: list[str]) -> None:
        """Compiles and links; the linker too needs the flags for `threads`."""
        x86 = platform.machine().lower() in {"x86_64", "amd64"}
        objects = self.compile(f"{FOLDER}/dispatch.cpp", "dispatch", [("WITH_X86", "1")] if x86 else [], threads)
        for name, flags in {"generic": [], **(X86 if x86 else {})}.items():
            for source in ("kernels.cpp", "ceiling.cpp"):
                objects += self.compile(f"{FOLDER}/{source}", name, [("INSTRUCTIONS", name)], threads + flags)
        self.compiler.link_shared_object(objects, library, target_lang="c++", extra_postargs=threads)

    def compile(self, source: str, name: str, macros: list[tuple[str, str]], flags: list[str]) -> list[str]:
        """Returns the object files of one source, in a folder of its own so that they do not collide."""
        return self.compiler.compile(
            [source],
            output_dir=str(Path(self.build_temp) / name),
            macros=macros,
            extra_postargs=FLAGS + flags,
            depends=[str(p) for p in Path(FOLDER).glob("*.h")],
        )


RESIZE = Extension("alexnet.data._resize", ["alexnet/data/resize.cpp"], optional=True)

setup(
    ext_modules=[Extension("alexnet.kernels._native", [f"{FOLDER}/kernels.cpp"], optional=True), RESIZE],
    cmdclass={"build_ext": BuildKernels},
)
