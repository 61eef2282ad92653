// [ReLU ->] [norm -> [spatial norm ->]] max-pool [-> ReLU] in one pass forward and one back. The map before the pool is never
// written: the backward pass knows from `argmax` where each gradient goes, and computes the norm's scale again.
#pragma once
#include "spatial.h"

namespace {

// The mark of a window that the ReLU after the pool has closed.
constexpr uint8_t DEAD = 255; // all bits

struct Pooled {
    int64_t height, width;

    explicit Pooled(const Stage &s)
        : height((s.top + s.height + s.bottom - s.kernel) / s.stride + 1),
          width((s.left + s.width + s.right - s.kernel) / s.stride + 1) {}
};

// Numbers as integers of the same order, so that a maximum needs one comparison: -0 becomes 0, NaN lies above
// infinity. In bfloat16 a vector holds twice as many of them as of floats.
template <class T> using Key = Bits<T>;

// Negative numbers turned round: from bits to key and back.
template <class K> K turned(K k) {
    const int sign = 8 * sizeof(K) - 1;
    return K(k ^ ((k >> sign) & ~(K(1) << sign)));
}

template <class T> Key<T> key(float v);
template <> inline int16_t key<bf16>(float v) { return turned(as<int16_t>(narrow<bf16>(v + 0.0f))); } // -0 + 0 = 0
template <> inline int32_t key<float>(float v) { return v != v ? 0x7fc00000 : turned(as<int32_t>(v + 0.0f)); }

template <class T> T number(Key<T> k) { return as<T>(turned(k)); }

// Below every number: what lies around a map.
template <class T> constexpr Key<T> OUTSIDE = Key<T>(Key<T>(1) << (8 * sizeof(Key<T>) - 1));

// Each channel's largest among `count` (N if not 0) pixels and its place; the first of equals.
template <int N, class T>
void largest(const Key<T> *const *window, int64_t count, int64_t channels, bool relu, T *__restrict y,
             uint8_t *__restrict argmax) {
    const Key<T> closes = relu ? -1 : 0;
    for (int64_t c = 0; c < channels; c++) {
        Key<T> best = window[0][c], place = 0;
        for (Key<T> j = 1; j < (N ? N : count); j++) {
            const Key<T> v = window[j][c];
            place = v > best ? j : place;
            best = v > best ? v : best;
        }
        const Key<T> dead = closes & -Key<T>(best <= 0);
        y[c] = number<T>(best & ~dead);
        argmax[c] = uint8_t(place | dead);
    }
}

// The last `kernel` rows of one image before the pool, as keys, with what lies around the map; rows and columns are
// counted from the padding's first.
template <class T> class Rows {
  public:
    static int64_t floats(const Stage &s, const Layout &at) {
        return NormScratch::floats(at) + SpatialRows<T>::floats(s) + s.kernel * padded(s) * at.channels();
    }

    Rows(const Stage &s, const Layout &at, float *memory)
        : s(s), at(at), scratch(at, memory), spatial(s, at, scratch, memory + NormScratch::floats(at)),
          ring(reinterpret_cast<Key<T> *>(memory + NormScratch::floats(at) + SpatialRows<T>::floats(s))) {}

    void begin(const T *start) {
        image = start, ready = 0;
        spatial.begin(start);
    }

    // Row h; rows are asked for in rising windows of `kernel`.
    const Key<T> *row(int64_t h) {
        ready = larger(ready, h - s.kernel + 1);
        for (; ready <= h; ready++) make(ready - s.top, place(ready));
        return place(h);
    }

  private:
    static int64_t padded(const Stage &s) { return s.left + s.width + s.right; }

    Key<T> *place(int64_t h) { return ring + h % s.kernel * padded(s) * at.channels(); }

    // Row h of the map, which may lie outside.
    void make(int64_t h, Key<T> *to) {
        const int64_t channels = at.channels(), row = s.width * channels;
        const bool outside = h < 0 || h >= s.height;
        const auto fill = [](Key<T> *begin, int64_t count) {
            for (int64_t i = 0; i < count; i++) begin[i] = OUTSIDE<T>;
        };
        fill(to, outside ? padded(s) * channels : s.left * channels);
        if (outside) return;
        to += s.left * channels;
        fill(to + row, s.right * channels);
        const T *x = image + h * row;
        if (s.spatially) {
            const float *const y = spatial.row(h);
            for (int64_t i = 0; i < row; i++) to[i] = key<T>(y[i]);
        } else if (!s.normalises)
            for (int64_t i = 0; i < row; i++) to[i] = key<T>(widen(x[i]));
        else
            for (int64_t w = 0, some; w < s.width; w += some) {
                some = smaller(at.tile(), s.width - w);
                norm_tile(s.norm, at, scratch, x + w * channels, some, s.relu_before);
                write_tile(scratch.y, to + w * channels, at, some, key<T>);
            }
    }

    const Stage &s;
    const Layout &at;
    NormScratch scratch;
    SpatialRows<T> spatial;
    Key<T> *ring;
    const T *image = nullptr;
    int64_t ready = 0;
};

template <class T> int stage_forward(const Stage &s, int threads, const T *x, T *y, uint8_t *argmax) {
    const Pooled out(s);
    const Layout at(s.norm);
    const int64_t channels = s.norm.channels, kernel = s.kernel, count = kernel * kernel;
    return parallel(s.images * out.height, threads, Rows<T>::floats(s, at) + channels,
                    [=, &s, &at](int64_t begin, int64_t end, float *memory) {
        Rows<T> source(s, at, memory);
        uint8_t *const unrecorded = reinterpret_cast<uint8_t *>(memory + Rows<T>::floats(s, at));
        const Key<T> *window[MAX_KERNEL * MAX_KERNEL];
        for (int64_t r = begin; r < end; r++) {
            const int64_t n = r / out.height, p = r % out.height;
            if (r == begin || p == 0) source.begin(x + n * s.height * s.width * channels);
            for (int64_t i = 0; i < kernel; i++) {
                const Key<T> *const row = source.row(p * s.stride + i);
                for (int64_t j = 0; j < kernel; j++) window[i * kernel + j] = row + j * channels;
            }
            for (int64_t q = 0; q < out.width; q++) {
                const int64_t pixel = (r * out.width + q) * channels;
                uint8_t *const places = argmax ? argmax + pixel : unrecorded;
                if (kernel == 3) largest<9>(window, count, channels, s.relu_after, y + pixel, places);
                else if (kernel == 2) largest<4>(window, count, channels, s.relu_after, y + pixel, places);
                else largest<0>(window, count, channels, s.relu_after, y + pixel, places);
                for (int64_t j = 0; j < count; j++) window[j] += s.stride * channels;
            }
        }
    });
}

// One pooled pixel whose window covers the pixel at hand: where it would have come from us, its gradient is ours.
template <class T> struct Window {
    const T *gy;
    const uint8_t *argmax;
    uint8_t place;
};

template <int N, class T> void gather(const Window<T> *from, int64_t offset, int64_t channels, float *g, bool add) {
    for (int64_t c = 0; c < channels; c++) {
        float sum = add ? g[c] : 0;
        for (int j = 0; j < N; j++)
            sum += widen(only_if(from[j].argmax[offset + c] == from[j].place, from[j].gy[offset + c]));
        g[c] = sum;
    }
}

// The windows begin .. end-1 of a pool that, along one axis, cover a pixel counted from the padding's first.
struct Cover {
    int64_t begin, end;

    Cover(const Stage &s, int64_t windows, int64_t pixel)
        : begin(pixel < s.kernel ? 0 : (pixel - s.kernel) / s.stride + 1),
          end(smaller(windows, pixel / s.stride + 1)) {}
};

// The gradient before the pool of `pixels` pixels of row h of image n, from column w on.
template <class T>
void unpool(const Stage &s, const Pooled &out, const Layout &at, int64_t n, int64_t h, int64_t w, int64_t pixels,
            const T *gy, const uint8_t *argmax, float *g) {
    h += s.top, w += s.left;
    const Cover rows(s, out.height, h);
    Window<T> windows[MAX_KERNEL * MAX_KERNEL];
    for (int64_t last = w + pixels; w < last; w++) {
        const Cover columns(s, out.width, w);
        int64_t count = 0;
        for (int64_t p = rows.begin; p < rows.end; p++)
            for (int64_t q = columns.begin; q < columns.end; q++) {
                const int64_t pixel = ((n * out.height + p) * out.width + q) * at.channels();
                const int64_t place = (h - p * s.stride) * s.kernel + w - q * s.stride;
                windows[count++] = {gy + pixel, argmax + pixel, uint8_t(place)};
            }
        for (int64_t b = 0; b < at.blocks; b++, g += at.step) {
            int64_t done = 0;
            if (!count) gather<0>(windows, b * at.block, at.block, g, false);
            for (; done + 4 <= count; done += 4) gather<4>(windows + done, b * at.block, at.block, g, done);
            for (; done + 2 <= count; done += 2) gather<2>(windows + done, b * at.block, at.block, g, done);
            for (; done < count; done++) gather<1>(windows + done, b * at.block, at.block, g, done);
        }
    }
}

// As `stage_backward`, with a spatial norm between the norm and the pool.
template <class T>
int spatial_backward(const Stage &s, int threads, const T *x, const uint8_t *argmax, const T *gy, T *gx) {
    const Pooled out(s);
    const Layout at(s.norm), flat(s.norm.channels, 1, 0);
    const int64_t row = s.width * s.norm.channels, floats = NormScratch::floats(at);
    return parallel(s.images * s.height, threads, floats + SpatialPulls<T>::floats(s),
                    [=, &s, &at, &flat](int64_t begin, int64_t end, float *memory) {
        const NormScratch scratch(at, memory);
        SpatialPulls<T> pulls(s, at, scratch, memory + floats);
        for (int64_t r = begin; r < end; r++) {
            const int64_t n = r / s.height, h = r % s.height;
            if (r == begin || h == 0) pulls.begin(x + n * s.height * row);
            const float *const g = pulls.gradient(h, [=, &s, &out, &flat](int64_t at_row, float *to) {
                unpool(s, out, flat, n, at_row, 0, s.width, gy, argmax, to);
            });
            for (int64_t w = 0, some; w < s.width; w += some) {
                some = smaller(at.tile(), s.width - w);
                const int64_t here = r * row + w * s.norm.channels;
                read_tile(g + w * s.norm.channels, scratch.gy, at, some, false);
                norm_tile_backward(s.norm, at, scratch, x + here, some, s.relu_before, gx + here);
            }
        }
    });
}

template <class T>
int stage_backward(const Stage &s, int threads, const T *x, const uint8_t *argmax, const T *gy, T *gx) {
    if (s.spatially) return spatial_backward(s, threads, x, argmax, gy, gx);
    const Pooled out(s);
    const Layout at = s.normalises ? Layout(s.norm) : Layout(s.norm.channels, 1, 0);
    return parallel(s.images * s.height, threads, NormScratch::floats(at),
                    [=, &s, &at](int64_t begin, int64_t end, float *memory) {
        const NormScratch scratch(at, memory);
        for (int64_t r = begin; r < end; r++)
            for (int64_t w = 0, some; w < s.width; w += some) {
                some = smaller(at.tile(), s.width - w);
                const int64_t here = (r * s.width + w) * at.channels();
                unpool(s, out, at, r / s.height, r % s.height, w, some, gy, argmax, scratch.gy);
                if (s.normalises)
                    norm_tile_backward(s.norm, at, scratch, x + here, some, s.relu_before, gx + here);
                else
                    write_tile(scratch.gy, gx + here, at, some, narrow<T>);
            }
    });
}

} // namespace
