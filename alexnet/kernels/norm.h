// Local response normalisation across channels, forward and backward, on tiles of a few pixels.
#pragma once
#include <cfloat>
#include <cmath>
#include <initializer_list>

#include "abi.h"
#include "numbers.h"

namespace {

// How the channels of some pixels lie in fp32 scratch: each tower's block is followed by a gap of zeros as wide
// as the window reaches, so that one flat loop over the whole tile sees missing channels as zeros.
struct Layout {
    int64_t blocks, block, gap, step, pixel;

    Layout(int64_t channels, int64_t towers, int64_t gap)
        : blocks(towers), block(channels / towers), gap(gap), step(block + gap), pixel(towers * step) {}
    explicit Layout(const Norm &n) : Layout(n.channels, n.towers, larger(n.lo, n.hi)) {}

    int64_t channels() const { return blocks * block; }
    // From the first to the last real channel of a tile.
    int64_t length(int64_t pixels) const { return pixels * pixel - gap; }
    // As many pixels as keep the five buffers of the backward pass in the first-level cache.
    int64_t tile() const { return larger(1, (PAGE - lead()) / pixel); }
    // The floats before the first channel: a gap, and that channel at the start of a cache line.
    int64_t lead() const { return (gap + LINE - 1) / LINE * LINE; }
    // The floats of a whole tile. Buffers one behind the other start a fifth of a page further in each: a load
    // waits for an earlier store whose address has the same low twelve bits.
    int64_t buffer() const { return (lead() + tile() * pixel + PAGE - 1) / PAGE * PAGE + PAGE / 5 / LINE * LINE; }

    static constexpr int64_t LINE = 64 / sizeof(float), PAGE = 4096 / sizeof(float);
};

template <bool for_writing, class T> void prefetch(const T *numbers, int64_t count) {
    const char *const bytes = reinterpret_cast<const char *>(numbers);
    for (int64_t i = 0; i < int64_t(count * sizeof(T)); i += 64) __builtin_prefetch(bytes + i, for_writing);
}

// From channels-last pixels to a tile, and from a tile back to what `convert` makes of each number.
template <class T> void read_tile(const T *from, float *to, const Layout &at, int64_t pixels, bool relu) {
    // Tiles lie one behind the other: have the next one fetched while this one is worked on.
    prefetch<false>(from + pixels * at.channels(), pixels * at.channels());
    for (int64_t b = 0; b < pixels * at.blocks; b++, from += at.block, to += at.step) {
        if (relu)
            for (int64_t c = 0; c < at.block; c++) {
                const float v = widen(from[c]);
                to[c] = v <= 0 ? 0 : v; // NaN stays NaN
            }
        else
            for (int64_t c = 0; c < at.block; c++) to[c] = widen(from[c]);
    }
}

template <class T, class Convert>
void write_tile(const float *from, T *to, const Layout &at, int64_t pixels, Convert convert) {
    for (int64_t b = 0; b < pixels * at.blocks; b++, from += at.step, to += at.block)
        for (int64_t c = 0; c < at.block; c++) to[c] = convert(from[c]);
}

// sums[i] = the sum of a[i-lo] .. a[i+hi], or of their squares.
template <bool squares>
void window_sums(const float *__restrict a, float *__restrict sums, int64_t length, int64_t lo, int64_t hi) {
    const auto term = [](float v) { return squares ? v * v : v; };
    if (lo == 2 && hi == 2) {
        for (int64_t i = 0; i < length; i++)
            sums[i] = term(a[i - 2]) + term(a[i - 1]) + term(a[i]) + term(a[i + 1]) + term(a[i + 2]);
        return;
    }
    for (int64_t i = 0; i < length; i++) sums[i] = term(a[i - lo]);
    for (int64_t o = 1 - lo; o <= hi; o++)
        for (int64_t i = 0; i < length; i++) sums[i] += term(a[i + o]);
}

// s^-0.75 for normal positive s, infinity and NaN, to two units in the last place. Roots and divisions would cost
// most of the kernel, so: a guess from the bits of s, with d = 1 - s^3 guess^4 between -0.1711 and 0.1711, times
// the minimax polynomial of (1-d)^(-1/4) on that interval (relative error 7e-8).
inline float inverse_three_quarters(float s) {
    const float guess = as<float>(0x6f145c00 - (as<uint32_t>(s) >> 2) * 3);
    const float quarter = s * guess; // about s^(1/4), so that no power overflows
    const float d = 1 - quarter * quarter * (quarter * guess);
    const float more = 0.25f + d * (0.15622289f + d * (0.117137007f + d * (0.098179966f + d * 0.084332258f)));
    return s > FLT_MAX ? 0 : guess + guess * d * more;
}

inline bool is_fast(const Norm &n) { return n.beta == 0.75 && n.k >= FLT_MIN; }

// y = x * s^-beta with s = k + alpha * sums.
inline void respond(const Norm &n, const float *__restrict x, const float *__restrict sums, float *__restrict y,
                    int64_t length) {
    const float k = float(n.k), alpha = float(n.alpha), beta = float(n.beta);
    if (is_fast(n))
        for (int64_t i = 0; i < length; i++) y[i] = x[i] * inverse_three_quarters(k + alpha * sums[i]);
    else
        for (int64_t i = 0; i < length; i++) y[i] = x[i] * powf(k + alpha * sums[i], -beta);
}

// With s as above: scale = s^-beta and pull = gy * x * s^(-beta-1).
inline void pulls(const Norm &n, const float *__restrict x, const float *__restrict gy,
                  const float *__restrict sums, float *__restrict scale, float *__restrict pull, int64_t length) {
    const float k = float(n.k), alpha = float(n.alpha), beta = float(n.beta);
    if (is_fast(n))
        for (int64_t i = 0; i < length; i++) {
            const float s = k + alpha * sums[i], f = inverse_three_quarters(s);
            const float root = s * f * f; // s^(-1/2)
            scale[i] = f;
            pull[i] = gy[i] * x[i] * f * (s > FLT_MAX ? 0 : root * root);
        }
    else
        for (int64_t i = 0; i < length; i++) {
            const float s = k + alpha * sums[i], f = powf(s, -beta);
            scale[i] = f;
            pull[i] = gy[i] * x[i] * (f / s);
        }
}

// gx = gy * scale - 2 alpha beta * x * sums of pulls; zero where `relu` has cut x.
inline void spread(const Norm &n, const float *__restrict x, const float *__restrict gy,
                   const float *__restrict scale, const float *__restrict sums, bool relu, float *__restrict gx,
                   int64_t length) {
    const float factor = float(-2 * n.alpha * n.beta);
    for (int64_t i = 0; i < length; i++)
        gx[i] = only_if(!(relu & (x[i] <= 0)), gy[i] * scale[i] + factor * x[i] * sums[i]);
}

// One thread's scratch for tiles of the layout `at`, carved from zeroed memory; the pointers are to the first
// channel, behind a gap.
struct NormScratch {
    float *x, *gy, *sums, *scale, *y;

    static int64_t floats(const Layout &at) { return 5 * at.buffer(); }

    NormScratch(const Layout &at, float *memory) {
        for (float **p : {&x, &gy, &sums, &scale, &y}) *p = memory + at.lead(), memory += at.buffer();
    }
};

// The normalised pixels of x, in scratch.y; at most at.tile() pixels.
template <class T>
void norm_tile(const Norm &n, const Layout &at, const NormScratch &to, const T *x, int64_t pixels, bool relu) {
    const int64_t length = at.length(pixels);
    read_tile(x, to.x, at, pixels, relu);
    window_sums<true>(to.x, to.sums, length, n.lo, n.hi);
    respond(n, to.x, to.sums, to.y, length);
}

// From x and the gradient in scratch.gy to gx; a ReLU before the norm is undone too.
template <class T>
void norm_tile_backward(const Norm &n, const Layout &at, const NormScratch &to, const T *x, int64_t pixels,
                        bool relu, T *gx) {
    const int64_t length = at.length(pixels);
    prefetch<true>(gx, pixels * at.channels());
    read_tile(x, to.x, at, pixels, relu);
    window_sums<true>(to.x, to.sums, length, n.lo, n.hi);
    pulls(n, to.x, to.gy, to.sums, to.scale, to.y, length);
    // A NaN beside a gap has made the gap's scale NaN: it must not reach the channels beyond.
    for (int64_t b = 1; b <= pixels * at.blocks; b++)
        for (int64_t i = b * at.step - at.gap; i < b * at.step; i++) to.y[i] = 0;
    window_sums<false>(to.y, to.sums, length, n.hi, n.lo);
    spread(n, to.x, to.gy, to.scale, to.sums, relu, to.y, length);
    write_tile(to.y, gx, at, pixels, narrow<T>);
}

// Calls body(scratch, first pixel, pixels) for every tile, on all threads. Threads share out whole tiles: where a
// vector begins in a tile decides which products are fused with a sum, and so the last bit.
template <class Body> int over_tiles(const Layout &at, int64_t pixels, int threads, Body body) {
    const int64_t tile = at.tile();
    return parallel((pixels + tile - 1) / tile, threads, NormScratch::floats(at),
                    [=, &at](int64_t begin, int64_t end, float *memory) {
        const NormScratch scratch(at, memory);
        for (int64_t i = begin; i < end; i++) body(scratch, i * tile, smaller(tile, pixels - i * tile));
    });
}

template <class T> int norm_forward(const Norm &n, int64_t pixels, int threads, const T *x, T *y) {
    const Layout at(n);
    return over_tiles(at, pixels, threads, [=, &n, &at](const NormScratch &scratch, int64_t first, int64_t some) {
        prefetch<true>(y + first * n.channels, some * n.channels);
        norm_tile(n, at, scratch, x + first * n.channels, some, false);
        write_tile(scratch.y, y + first * n.channels, at, some, narrow<T>);
    });
}

template <class T> int norm_backward(const Norm &n, int64_t pixels, int threads, const T *x, const T *gy, T *gx) {
    const Layout at(n);
    return over_tiles(at, pixels, threads, [=, &n, &at](const NormScratch &scratch, int64_t first, int64_t some) {
        read_tile(gy + first * n.channels, scratch.gy, at, some, false);
        norm_tile_backward(n, at, scratch, x + first * n.channels, some, false, gx + first * n.channels);
    });
}

} // namespace
