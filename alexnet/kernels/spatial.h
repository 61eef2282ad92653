// A response normalisation over the positions around each one of a map, behind one across channels. Row by row: the
// sums of a row need the rows around it, which are made once and kept in rings. A row has width * channels numbers.
#pragma once
#include "norm.h"

namespace {

// Consecutive rows, made on demand in rising order; the oldest makes room for the newest.
class Ring {
  public:
    Ring(int64_t rows, int64_t length, float *memory) : rows(rows), length(length), memory(memory) {}

    void begin() { ready = 0; }
    float *place(int64_t h) const { return memory + h % rows * length; }

    // Row h, and the ones before it that are in the ring, by make(row, where it goes).
    template <class Make> float *row(int64_t h, Make make) {
        for (ready = larger(ready, h - rows + 1); ready <= h; ready++) make(ready, place(ready));
        return place(h);
    }

  private:
    int64_t rows, length;
    float *memory;
    int64_t ready = 0;
};

// Sums over the windows of a spatial norm: for one row of a map, down the rows of a ring and then along the row.
class Box {
  public:
    static int64_t floats(const Stage &s) { return (s.width + 2 * reach(s)) * s.norm.channels; }
    static int64_t reach(const Stage &s) { return s.spatial.size / 2; }

    // `memory` is zero, and stays so before the row and behind it.
    Box(const Stage &s, float *memory) : s(s), column(memory + reach(s) * s.norm.channels) {}

    // sums[i] = the sum over the window around place i of row h, of the numbers in `from` or of their squares.
    template <bool squares> void sums(const Ring &from, int64_t h, float *__restrict sums) {
        const auto term = [](float v) { return squares ? v * v : v; };
        const int64_t channels = s.norm.channels, length = s.width * channels, far = reach(s);
        const int64_t first = larger(0, h - far), last = smaller(s.height - 1, h + far);
        float *const __restrict down = column;
        const float *a = from.place(first);
        for (int64_t i = 0; i < length; i++) down[i] = term(a[i]);
        for (int64_t r = first + 1; r <= last; r++) {
            a = from.place(r);
            for (int64_t i = 0; i < length; i++) down[i] += term(a[i]);
        }
        window_sums_of(down, sums, length, far, channels);
    }

  private:
    static void window_sums_of(const float *__restrict a, float *__restrict sums, int64_t length, int64_t far,
                               int64_t step) {
        if (far == 2) {
            for (int64_t i = 0; i < length; i++)
                sums[i] = a[i - 2 * step] + a[i - step] + a[i] + a[i + step] + a[i + 2 * step];
            return;
        }
        for (int64_t i = 0; i < length; i++) sums[i] = a[i - far * step];
        for (int64_t o = 1 - far; o <= far; o++)
            for (int64_t i = 0; i < length; i++) sums[i] += a[i + o * step];
    }

    const Stage &s;
    float *column;
};

// The numbers of a spatial norm as `respond`, `pulls` and `spread` take them.
inline Norm as_norm(const Spatial &p) { return {0, 1, 0, 0, p.k, p.alpha, p.beta}; }

// Rows of one image behind the norm across channels, rounded as if they were stored.
template <class T> class NormedRows {
  public:
    static int64_t floats(const Stage &s) { return s.spatial.size * s.width * s.norm.channels; }

    NormedRows(const Stage &s, const Layout &at, const NormScratch &scratch, float *memory)
        : s(s), at(at), scratch(scratch), ring(s.spatial.size, s.width * s.norm.channels, memory) {}

    void begin(const T *start) { image = start, ring.begin(); }

    // The ring, with the rows of the window around row h in it.
    const Ring &around(int64_t h) {
        ring.row(smaller(h + s.spatial.size / 2, s.height - 1), [this](int64_t r, float *to) { make(r, to); });
        return ring;
    }

  private:
    void make(int64_t h, float *to) {
        const T *x = image + h * s.width * at.channels();
        for (int64_t w = 0, some; w < s.width; w += some) {
            some = smaller(at.tile(), s.width - w);
            norm_tile(s.norm, at, scratch, x + w * at.channels(), some, s.relu_before);
            write_tile(scratch.y, to + w * at.channels(), at, some, [](float v) { return widen(narrow<T>(v)); });
        }
    }

    const Stage &s;
    const Layout &at;
    const NormScratch &scratch;
    Ring ring;
    const T *image = nullptr;
};

// Rows of one image behind both norms.
template <class T> class SpatialRows {
  public:
    static int64_t floats(const Stage &s) {
        return s.spatially ? NormedRows<T>::floats(s) + Box::floats(s) + 2 * s.width * s.norm.channels : 0;
    }

    SpatialRows(const Stage &s, const Layout &at, const NormScratch &scratch, float *memory)
        : s(s), numbers(as_norm(s.spatial)), normed(s, at, scratch, memory),
          box(s, memory + NormedRows<T>::floats(s)),
          sums(memory + NormedRows<T>::floats(s) + Box::floats(s)), y(sums + s.width * s.norm.channels) {}

    void begin(const T *start) { normed.begin(start); }

    const float *row(int64_t h) {
        const Ring &v = normed.around(h);
        box.sums<true>(v, h, sums);
        respond(numbers, v.place(h), sums, y, s.width * s.norm.channels);
        return y;
    }

  private:
    const Stage &s;
    const Norm numbers;
    NormedRows<T> normed;
    Box box;
    float *sums, *y;
};

// The gradient of one image between the two norms, row by row. With v the numbers there, d = k + alpha * (the sum of
// their squares) and g the gradient behind the spatial norm:
// g * d^-beta - 2 alpha beta * v * (the sum over the window of g * v * d^(-beta-1)).
template <class T> class SpatialPulls {
  public:
    static int64_t floats(const Stage &s) {
        const int64_t size = s.spatial.size, row = s.width * s.norm.channels;
        return NormedRows<T>::floats(s) + Box::floats(s) + (2 * size + 3) * row;
    }

    SpatialPulls(const Stage &s, const Layout &at, const NormScratch &scratch, float *memory)
        : s(s), numbers(as_norm(s.spatial)), length(s.width * s.norm.channels), normed(s, at, scratch, memory),
          box(s, memory + NormedRows<T>::floats(s)), sums(memory + NormedRows<T>::floats(s) + Box::floats(s)),
          g(sums + length), scale(g + length), pull(s.spatial.size, length, scale + length),
          direct(s.spatial.size, length, scale + length + s.spatial.size * length) {}

    void begin(const T *start) { normed.begin(start), pull.begin(); }

    // Row h; unpool(r, to) writes the gradient of row r behind the spatial norm. Rows are asked for in rising order.
    template <class Unpool> const float *gradient(int64_t h, Unpool unpool) {
        pull.row(smaller(h + s.spatial.size / 2, s.height - 1), [&](int64_t r, float *to) {
            const Ring &v = normed.around(r);
            box.sums<true>(v, r, sums);
            unpool(r, g);
            pulls(numbers, v.place(r), g, sums, scale, to, length);
            float *const __restrict kept = direct.place(r);
            for (int64_t i = 0; i < length; i++) kept[i] = g[i] * scale[i];
        });
        const float *const v = normed.around(h).place(h); // the pulls of row h + reach left it the ring's oldest
        box.sums<false>(pull, h, sums);
        const float factor = float(-2 * s.spatial.alpha * s.spatial.beta);
        const float *const kept = direct.place(h);
        for (int64_t i = 0; i < length; i++) g[i] = kept[i] + factor * v[i] * sums[i];
        return g;
    }

  private:
    const Stage &s;
    const Norm numbers;
    const int64_t length;
    NormedRows<T> normed;
    Box box;
    float *sums, *g, *scale;
    Ring pull, direct;
};

} // namespace
