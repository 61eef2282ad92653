// [ReLU ->] inverted dropout in one pass. The mask is a function of (seed, element), so it needs no storage and
// no thread count can change it.
#pragma once
#include "numbers.h"

namespace {

constexpr int64_t LANES = 64, CHUNK = 4 * LANES;

// The random words of elements 256 * chunk .. 256 * chunk + 255. They are those of Philox 4x32-10 (Salmon and
// others, "Parallel random numbers: as easy as 1, 2, 3", 2011) under the key `seed`: word w of counter
// 64 * chunk + lane belongs to element 64 * w + lane of the chunk.
inline void random_words(uint64_t seed, uint64_t chunk, uint32_t *words) {
    uint32_t *const a = words, *const b = a + LANES, *const c = b + LANES, *const d = c + LANES;
    for (int64_t i = 0; i < LANES; i++) {
        a[i] = uint32_t(chunk * LANES) + uint32_t(i);
        b[i] = uint32_t(chunk * LANES >> 32);
        c[i] = d[i] = 0;
    }
    uint32_t key = uint32_t(seed), other_key = uint32_t(seed >> 32);
    for (int round = 0; round < 10; round++, key += 0x9E3779B9, other_key += 0xBB67AE85)
        for (int64_t i = 0; i < LANES; i++) {
            const uint64_t p = uint64_t(0xD2511F53) * a[i], q = uint64_t(0xCD9E8D57) * c[i];
            a[i] = uint32_t(q >> 32) ^ b[i] ^ key;
            b[i] = uint32_t(q);
            c[i] = uint32_t(p >> 32) ^ d[i] ^ other_key;
            d[i] = uint32_t(p);
        }
}

// Calls body(chunk, first element, end) for every chunk of elements, on all threads.
template <class Body> int over_chunks(int64_t count, int threads, Body body) {
    return parallel((count + CHUNK - 1) / CHUNK, threads, 0, [=](int64_t begin, int64_t end, float *) {
        for (int64_t chunk = begin; chunk < end; chunk++)
            body(chunk, chunk * CHUNK, smaller(count, (chunk + 1) * CHUNK));
    });
}

// An element is dropped if its word is below `threshold`.
template <class T>
int dropout_forward(int64_t count, int threads, uint64_t seed, uint32_t threshold, float scale, bool relu,
                    const T *x, T *y) {
    return over_chunks(count, threads, [=](int64_t chunk, int64_t first, int64_t last) {
        uint32_t words[CHUNK];
        random_words(seed, uint64_t(chunk), words);
        for (int64_t i = first; i < last; i++) {
            const float v = widen(x[i]) * scale;
            const bool keep = (words[i - first] >= threshold) & !(relu & (v <= 0));
            y[i] = narrow<T>(only_if(keep, v));
        }
    });
}

// Behind a ReLU the gradient flows where the output `y` is not zero; without one, `y` is null and the mask is
// drawn again.
template <class T>
int dropout_backward(int64_t count, int threads, uint64_t seed, uint32_t threshold, float scale, const T *y,
                     const T *gy, T *gx) {
    return over_chunks(count, threads, [=](int64_t chunk, int64_t first, int64_t last) {
        if (y) {
            for (int64_t i = first; i < last; i++)
                gx[i] = narrow<T>(only_if(widen(y[i]) != 0, widen(gy[i]) * scale));
            return;
        }
        uint32_t words[CHUNK];
        random_words(seed, uint64_t(chunk), words);
        for (int64_t i = first; i < last; i++)
            gx[i] = narrow<T>(only_if(words[i - first] >= threshold, widen(gy[i]) * scale));
    });
}

} // namespace
