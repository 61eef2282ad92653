// The library's three exported functions. Compiled for the oldest processor that it may run on.
#include "abi.h"
#include <dlfcn.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#define EXPORT extern "C" __attribute__((visibility("default")))

extern const Kernels kernels_generic;
#ifdef WITH_X86
extern const Kernels kernels_avx2, kernels_avx512;
#endif

EXPORT int64_t alexnet_abi() { return ABI; }

// The table of the i-th instruction set that this processor has, best first; null when there are no more.
EXPORT const Kernels *alexnet_kernels(int64_t i) {
    const Kernels *found[3];
    int64_t count = 0;
#ifdef WITH_X86
    // Each line asks for exactly what setup.py allows the compiler to use.
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        found[count++] = &kernels_avx512;
    if (avx2) found[count++] = &kernels_avx2;
#endif
    found[count++] = &kernels_generic;
    return 0 <= i && i < count ? found[i] : nullptr;
}

// The file of the OpenMP runtime in use, or null without OpenMP.
EXPORT const char *alexnet_thread_runtime() {
#ifdef _OPENMP
    Dl_info info;
    if (dladdr(reinterpret_cast<void *>(&omp_get_max_threads), &info)) return info.dli_fname;
#endif
    return nullptr;
}
