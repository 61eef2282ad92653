// Numbers and threads: what every kernel stands on. All names are local to one compilation (an anonymous
// namespace), because the same source is compiled once for each instruction set.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#ifdef _OPENMP
#include <omp.h>
#endif

namespace {

// Floats in a register.
#if defined(__AVX512F__)
constexpr int FLOATS = 16;
#elif defined(__AVX__)
constexpr int FLOATS = 8;
#else
constexpr int FLOATS = 4;
#endif

// A type of its own, and yet a plain number to the vectoriser.
enum class bf16 : uint16_t {};

// The same bits as another type of the same size.
template <class To, class From> To as(From from) {
    static_assert(sizeof(To) == sizeof(From), "");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}

inline float widen(float v) { return v; }
inline float widen(bf16 v) { return as<float>(uint32_t(v) << 16); }

template <class T> T narrow(float v);
template <> inline float narrow(float v) { return v; }

// Rounds to nearest, ties to even; every NaN becomes the quiet NaN that PyTorch writes.
template <> inline bf16 narrow(float v) {
    const uint32_t bits = as<uint32_t>(v), rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return bf16(v != v ? 0x7fc0 : rounded);
}

// An integer as wide as a number, for bitwise selections: they keep loops free of branches, and so vectorised.
template <class T> struct BitsOf;
template <> struct BitsOf<float> { typedef int32_t type; };
template <> struct BitsOf<bf16> { typedef int16_t type; };
template <class T> using Bits = typename BitsOf<T>::type;

template <class T> T only_if(bool yes, T v) { return as<T>(Bits<T>(as<Bits<T>>(v) & -Bits<T>(yes))); }

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

// Calls body(begin, end, scratch) on each thread with its contiguous share of 0 .. total-1 and its own scratch, of which
// the first `zeroed` floats are zero, or all. No result may depend on where the shares begin: that keeps every thread
// count bit-identical.
template <class Body> int parallel(int64_t total, int threads, int64_t scratch_floats, Body body, int64_t zeroed = -1) {
    if (total <= 0) return 0;
    const int64_t line = 64 / sizeof(float);
    const int64_t each = (scratch_floats + 2 * line) / line * line;
    const int team = int(larger(1, smaller(threads, total)));
    float *const all = static_cast<float *>(aligned_alloc(64, size_t(team * each) * sizeof(float)));
    if (!all) return 1;
#ifdef _OPENMP
#pragma omp parallel num_threads(team)
    {
        const int64_t me = omp_get_thread_num(), members = omp_get_num_threads();
#else
    {
        const int64_t me = 0, members = 1;
#endif
        float *const scratch = all + me * each;
        memset(scratch, 0, size_t(zeroed < 0 ? each : zeroed) * sizeof(float));
        body(total * me / members, total * (me + 1) / members, scratch);
    }
    free(all);
    return 0;
}

} // namespace
