// Pillow's resize of 8-bit RGB pixels, number for number: its coefficients in double precision and rounded to 22 bits,
// its 32-bit sums, its rounding to 8 bits between the two passes, rows first. A library of its own without OpenMP, so that
// processes that only prepare photographs need not load PyTorch first. (Source of the arithmetic: Pillow, Resample.c)
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

// One version of a function for each instruction set, chosen when the library is loaded.
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

namespace {

constexpr int BITS = 32 - 8 - 2; // of a coefficient behind the point: 8 are of the pixel, 2 for overshoot
constexpr int64_t COLOURS = 3;

double triangle(double x) { return x < 1 ? 1 - x : 0; }

double cubic(double x) {
    const double a = -0.5;
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

// Which pixels each of the resized ones is a sum of: `count` from `first` on, weighted by `width` coefficients a pixel.
struct Taps {
    int64_t width;
    std::vector<int64_t> first, count;
    std::vector<int32_t> coefficients;

    // `out` pixels of what lies between the edges `from` and `to` of a line of `in` pixels.
    Taps(int64_t in, float from, float to, int64_t out, bool bicubic) : first(out), count(out) {
        const double scale = double(to - from) / double(out), stretch = scale < 1 ? 1 : scale;
        const double support = (bicubic ? 2 : 1) * stretch;
        width = int64_t(std::ceil(support)) * 2 + 1;
        coefficients.resize(out * width);
        std::vector<double> weights(width);
        for (int64_t i = 0; i < out; i++) {
            const double centre = from + (double(i) + 0.5) * scale;
            const int64_t low = int64_t(centre - support + 0.5), high = int64_t(centre + support + 0.5);
            first[i] = low < 0 ? 0 : low;
            count[i] = (high > in ? in : high) - first[i];
            double total = 0;
            for (int64_t t = 0; t < count[i]; t++) {
                const double away = std::fabs((double(t + first[i]) - centre + 0.5) * (1 / stretch));
                total += weights[t] = bicubic ? cubic(away) : triangle(away);
            }
            for (int64_t t = 0; t < count[i]; t++) {
                const double weight = total != 0 ? weights[t] / total : weights[t];
                coefficients[i * width + t] = int32_t((weight < 0 ? -0.5 : 0.5) + weight * (1 << BITS));
            }
        }
    }

    int64_t begin() const { return first.front(); }
    int64_t end() const { return first.back() + count.back(); }
};

// Row i of `to` is the sum of the rows of `from` that taps.first[i] and its followers name; `from` begins with row
// `begin`. Rows are `length` bytes long and dense; `sums` has as many elements.
FOR_EACH_PROCESSOR void sum_rows(const uint8_t *from, int64_t begin, const Taps &taps, int64_t length, int32_t *sums,
                                 uint8_t *to) {
    for (size_t i = 0; i < taps.first.size(); i++, to += length) {
        for (int64_t x = 0; x < length; x++) sums[x] = 1 << (BITS - 1);
        for (int64_t t = 0; t < taps.count[i]; t++) {
            const int32_t coefficient = taps.coefficients[int64_t(i) * taps.width + t];
            const uint8_t *const row = from + (taps.first[i] - begin + t) * length;
            for (int64_t x = 0; x < length; x++) sums[x] += coefficient * row[x];
        }
        for (int64_t x = 0; x < length; x++) {
            const int32_t value = sums[x] >> BITS;
            to[x] = uint8_t(value < 0 ? 0 : value > 255 ? 255 : value);
        }
    }
}

// Column x of `from`, of `rows` pixels, becomes row x of `to`. Rows of `from` lie `stride` bytes apart. Four bytes are
// copied at a time: the next pixel overwrites the fourth, and the last of a row copies its own three.
void transpose(const uint8_t *from, int64_t rows, int64_t columns, int64_t stride, uint8_t *to) {
    for (int64_t x = 0; x < columns; x++) {
        const uint8_t *pixel = from + x * COLOURS;
        for (int64_t y = 0; y < rows - 1; y++, pixel += stride, to += COLOURS) memcpy(to, pixel, 4);
        memcpy(to, pixel, COLOURS), to += COLOURS;
    }
}

} // namespace

// `out`, (out_height, out_width, 3), becomes the part of `in`, (height, width, 3), that the box (left, top, right,
// bottom) in pixels holds. Returns 1 when there is no memory for scratch, else 0.
extern "C" __attribute__((visibility("default"))) int alexnet_resize(const uint8_t *in, int64_t height, int64_t width,
                                                                     const float *box, int bicubic, uint8_t *out,
                                                                     int64_t out_height, int64_t out_width) try {
    const Taps across(width, box[0], box[2], out_width, bicubic), down(height, box[1], box[3], out_height, bicubic);
    const int64_t left = across.begin(), columns = across.end() - left, top = down.begin(), rows = down.end() - top;
    const int64_t longest = rows > out_width ? rows : out_width;
    const std::unique_ptr<int32_t[]> sums(new int32_t[longest * COLOURS]);
    // across first: on the transposed picture, where a pass works on whole rows
    const std::unique_ptr<uint8_t[]> lying(new uint8_t[columns * rows * COLOURS]);
    const std::unique_ptr<uint8_t[]> narrow(new uint8_t[out_width * rows * COLOURS]);
    transpose(in + (top * width + left) * COLOURS, rows, columns, width * COLOURS, lying.get());
    sum_rows(lying.get(), left, across, rows * COLOURS, sums.get(), narrow.get());
    const std::unique_ptr<uint8_t[]> upright(new uint8_t[out_width * rows * COLOURS]);
    transpose(narrow.get(), out_width, rows, rows * COLOURS, upright.get());
    sum_rows(upright.get(), top, down, out_width * COLOURS, sums.get(), out);
    return 0;
} catch (const std::bad_alloc &) {
    return 1;
}
