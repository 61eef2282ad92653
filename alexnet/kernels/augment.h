// From stored photographs to a batch in one pass: crop, mirror, colour shift, mean, scale, and space to depth, which
// turns a strided first convolution into a dense one.
#pragma once
#include "abi.h"
#include "numbers.h"

namespace {

// One row of a crop as (pixel - mean + shift) * scale, in this order of rounding; `shift` has the row's length.
template <class T>
void shift_row(const uint8_t *__restrict pixels, const float *__restrict mean, const float *__restrict shift,
               float scale, int64_t length, T *__restrict to) {
    for (int64_t i = 0; i < length; i++) to[i] = narrow<T>((float(pixels[i]) - mean[i] + shift[i]) * scale);
}

// Pixels in reverse. Four bytes at a time: the fourth is overwritten by the next pixel, or lies behind the last.
inline void mirror_row(const uint8_t *from, int64_t pixels, uint8_t *to) {
    const uint8_t *last = from + 3 * (pixels - 1);
    memcpy(to, last, 3); // a fourth byte may not be ours to read
    for (int64_t i = 1; i < pixels; i++) memcpy(to + 3 * i, last - 3 * i, 4);
}

// One row of pixels to its part of each block of a row of blocks, or zeros if `line` is null. BLOCK is the block's
// side where it is known to the compiler, else 0.
template <int BLOCK, class T> void place_row(const T *line, int64_t block, int64_t blocks, T *to) {
    const int64_t part = 3 * (BLOCK ? BLOCK : block), whole = part * block;
    for (int64_t x = 0; x < blocks; x++, to += whole)
        if (line) memcpy(to, line + x * part, part * sizeof(T));
        else memset(to, 0, part * sizeof(T));
}

template <class T> int augment(const Augment &a, int threads, T *out) {
    const int64_t row = 3 * a.crop, part = 3 * a.block, side = a.blocks;
    const int64_t padded = side * part; // a row of the crop with the zeros behind it
    return parallel(a.images * side, threads, 3 * padded, [=, &a](int64_t begin, int64_t end, float *memory) {
        float *const shift = memory;
        T *const line = reinterpret_cast<T *>(memory + padded); // stays zero behind the crop
        uint8_t *const mirrored = reinterpret_cast<uint8_t *>(memory + 2 * padded);
        for (int64_t r = begin; r < end; r++) {
            const int64_t n = r / side, first = r % side * a.block;
            if (r == begin || first == 0)
                for (int64_t i = 0; i < row; i++) shift[i] = a.shift[3 * n + i % 3];
            for (int64_t y = first; y < first + a.block; y++) {
                const bool inside = y < a.crop;
                if (inside) {
                    const uint8_t *pixels = a.pixels[n] + ((a.top[n] + y) * a.width + a.left[n]) * 3;
                    if (a.mirrored[n]) mirror_row(pixels, a.crop, mirrored), pixels = mirrored;
                    shift_row(pixels, a.mean + y * row, shift, float(a.scale), row, line);
                }
                T *const to = out + (r * side * a.block + y - first) * part;
                // Without space to depth the whole row is one block of one row.
                if (a.block == 4) place_row<4>(inside ? line : nullptr, a.block, side, to);
                else if (a.block == 1) place_row<0>(inside ? line : nullptr, side, 1, to);
                else place_row<0>(inside ? line : nullptr, a.block, side, to);
            }
        }
    });
}

} // namespace
