// How much arithmetic the processor can do at most: loops of nothing but multiply-adds in registers, which wait for
// no memory. Compiled once for each instruction set, as kernels.cpp is; ceiling.py chooses and counts.
#include "numbers.h"
#if defined(__AVX512F__) && (defined(__clang__) || __GNUC__ >= 11)
#include <immintrin.h>
#define HAS_DOT 1
#endif

#define JOINED(a, b) a##b
#define NAMED(a, b) JOINED(a, b)
#define EXPORT(name) extern "C" __attribute__((visibility("default"))) int64_t NAMED(name, INSTRUCTIONS)

namespace {

typedef float Vector __attribute__((vector_size(FLOATS * sizeof(float))));

// Sums that do not wait for each other: enough to keep two multipliers busy for the four or five cycles that one
// product takes. They begin at different values, so that no compiler makes one of them out of all.
constexpr int64_t CHAINS = 12;

// Lane 0 of all chains together, after `rounds` rounds of c = c / 2 + 1 in every lane of every chain.
double multiply_add(int64_t rounds) {
    Vector chains[CHAINS];
    for (int64_t c = 0; c < CHAINS; c++) chains[c] = Vector{} + float(c);
    const Vector half = Vector{} + 0.5f, one = Vector{} + 1.0f;
    for (int64_t round = 0; round < rounds; round++)
        for (int64_t c = 0; c < CHAINS; c++) chains[c] = chains[c] * half + one;
    double sum = 0;
    for (int64_t c = 0; c < CHAINS; c++) sum += double(chains[c][0]);
    return sum;
}

#ifdef HAS_DOT
// The same of rounds of c = c + 1 · 0.5 + 1 · 0.5, whose factors are bfloat16.
__attribute__((target("avx512bf16"))) double dot(int64_t rounds) {
    __m512 chains[CHAINS];
    for (int64_t c = 0; c < CHAINS; c++) chains[c] = _mm512_set1_ps(float(c));
    const __m512bh one = (__m512bh)_mm512_set1_epi16(0x3f80), half = (__m512bh)_mm512_set1_epi16(0x3f00);
    for (int64_t round = 0; round < rounds; round++)
        for (int64_t c = 0; c < CHAINS; c++) chains[c] = _mm512_dpbf16_ps(chains[c], one, half);
    double sum = 0;
    for (int64_t c = 0; c < CHAINS; c++) sum += double(_mm512_cvtss_f32(chains[c]));
    return sum;
}
#endif

// Runs `loop` once for each of `threads` threads, and leaves what it returned for each in `results`.
template <class Loop> void each(int threads, double *results, Loop loop) {
    parallel(threads, threads, 0, [=](int64_t begin, int64_t end, float *) {
        for (int64_t i = begin; i < end; i++) results[i] = loop();
    });
}

} // namespace

// Fused multiply-adds in fp32. The FLOPs done by all threads together; each thread's sum of chains in `results`.
EXPORT(alexnet_multiply_add_)(int64_t rounds, int threads, double *results) {
    each(threads, results, [=] { return multiply_add(rounds); });
    return 2 * FLOATS * CHAINS * rounds * threads;
}

// Dot products of two pairs of bfloat16, added to fp32. 0 where the processor has no instruction for them.
EXPORT(alexnet_bf16_dot_)(int64_t rounds, int threads, double *results) {
#ifdef HAS_DOT
    if (__builtin_cpu_supports("avx512bf16")) {
        each(threads, results, [=] { return dot(rounds); });
        return 4 * FLOATS * CHAINS * rounds * threads;
    }
#endif
    (void)rounds, (void)threads, (void)results;
    return 0;
}
