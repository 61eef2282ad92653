#!/bin/sh
# The tests of the kernels under the address and undefined-behaviour sanitizers, in a copy of the package whose
# library is built with them. PyTorch itself is not checked: its leaks at exit are not ours. (--capture=sys leaves the
# sanitizers their standard error.)
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$here/.venv/bin/python}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cd "$here"
cp -r alexnet tests setup.py pyproject.toml README.md LICENSE "$copy"
cd "$copy"
rm -f alexnet/kernels/_native* alexnet/data/_resize*
flags="-g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"
CFLAGS=$flags CXXFLAGS=$flags LDFLAGS=$flags "$python" setup.py --quiet build_ext --inplace
ls alexnet/kernels/_native* alexnet/data/_resize*
LD_PRELOAD="$(c++ -print-file-name=libasan.so) $(c++ -print-file-name=libubsan.so)" \
    ASAN_OPTIONS=detect_leaks=0 PYTHONPATH="$copy" \
    "$python" -m pytest --capture=sys "$@" tests/test_kernels_pool.py tests/test_kernels_dropout.py tests/test_kernels_update.py tests/test_kernels_ceiling.py tests/test_kernels_augment.py tests/test_kernels_winograd.py tests/test_data_resize.py
