// Convolutions of stride 1 with fewer multiplications (Winograd; Lavin and Gray, 2016): a tile of 6 x 6 numbers gives
// 4 x 4 outputs of a 3 x 3 kernel, or 2 x 2 of a 5 x 5 one, by 36 products for each pair of channels instead of 144 or 100.
// Both are polynomials interpolated at the points 0, 1, -1, 2, -2 and infinity. What is done for many channels at once is a
// product of matrices at each of the 36 points.
//
// Maps are channels-last; channels and outputs of a group are multiples of PANEL, so no loop has a rest.
#pragma once
#include "abi.h"
#include "winograd_points.h"

namespace {

constexpr int ROWS = FLOATS == 16 ? 12 : FLOATS == 8 ? 6 : 3; // of a product, as many as fit the registers
constexpr int64_t TILES = 24;      // tiles at a time on a thread, in a forward pass
constexpr int64_t MANY_TILES = 64; // tiles at a time on all threads, in the gradient of weights
constexpr int64_t LINE = 16;       // floats between points, so that they lie in different sets of a cache

// c (COUNT, PANEL) = [c +] a (COUNT, depth) b (depth, PANEL), where a number of `a` lies `a_row` and `a_step` floats behind
// its neighbours and a row of c `c_row`. Every sum runs over the depth in order, whatever COUNT is.
template <int COUNT>
void product(int64_t depth, const float *a, int64_t a_row, int64_t a_step, const float *b, float *c, int64_t c_row,
             bool add) {
    Vector sum[COUNT][VECTORS];
#pragma GCC unroll 12
    for (int r = 0; r < COUNT; r++)
#pragma GCC unroll 4
        for (int i = 0; i < VECTORS; i++)
            sum[r][i] = add ? *reinterpret_cast<const Vector *>(c + r * c_row + i * FLOATS) : Vector{};
    for (int64_t k = 0; k < depth; k++, a += a_step, b += PANEL) {
        const Sixteen beside = load(b);
#pragma GCC unroll 12
        for (int r = 0; r < COUNT; r++)
#pragma GCC unroll 4
            for (int i = 0; i < VECTORS; i++) sum[r][i] += a[r * a_row] * beside.part[i];
    }
#pragma GCC unroll 12
    for (int r = 0; r < COUNT; r++)
#pragma GCC unroll 4
        for (int i = 0; i < VECTORS; i++) *reinterpret_cast<Vector *>(c + r * c_row + i * FLOATS) = sum[r][i];
}

// The same for any number of rows.
template <int COUNT = ROWS>
inline void products(int64_t rows, int64_t depth, const float *a, int64_t a_row, int64_t a_step, const float *b, float *c,
                     int64_t c_row, bool add) {
    for (; rows >= COUNT; rows -= COUNT, a += COUNT * a_row, c += COUNT * c_row)
        product<COUNT>(depth, a, a_row, a_step, b, c, c_row, add);
    if constexpr (COUNT > 1)
        if (rows) products<(COUNT + 1) / 2>(rows, depth, a, a_row, a_step, b, c, c_row, add);
}

// How the outputs of all images lie in tiles.
struct Tiling {
    int64_t made, down, across, count;

    explicit Tiling(const Convolution &s)
        : made(SIDE + 1 - s.kernel), down((s.rows + made - 1) / made), across((s.columns + made - 1) / made),
          count(s.images * down * across) {}
};

// The tile `t`: its image, and its first row and column of outputs.
struct Tile {
    int64_t image, row, column;

    Tile(const Tiling &tiling, int64_t t)
        : image(t / (tiling.down * tiling.across)), row(t / tiling.across % tiling.down * tiling.made),
          column(t % tiling.across * tiling.made) {}
};

// `count` channels from `first` on of the numbers that tile `t` reads, at points; to(p, c) says where sixteen go.
// `zeros` holds as many.
template <class To>
void read_tile(const Convolution &s, const Tile &at, const float *x, int64_t first, int64_t count, const float *zeros, To to) {
    const float *pixel[SIDE][SIDE];
    for (int64_t i = 0; i < SIDE; i++)
        for (int64_t j = 0; j < SIDE; j++) {
            const int64_t h = at.row + i - s.top, w = at.column + j - s.left;
            const bool inside = 0 <= h && h < s.height && 0 <= w && w < s.width;
            pixel[i][j] = inside ? x + ((at.image * s.height + h) * s.width + w) * s.channels + first : zeros;
        }
    for (int64_t c = 0; c < count; c += PANEL)
        twice<SIDE, SIDE>([](auto &v, auto &t) { map_to_points(v, t); },
                          [&](int i, int j) { return load(pixel[i][j] + c); },
                          [&](int i, int j, const Sixteen &v) { store(to(i * SIDE + j, c), v); });
}

// The outputs of tile `at` from sixteen numbers at from(p, c) each.
template <int MADE, class From>
void write_tile(const Convolution &s, const Tile &at, From from, const float *bias, bool relu, int64_t first, int64_t count,
                float *y) {
    const int64_t rows = s.rows - at.row, columns = s.columns - at.column;
    float *const corner = y + ((at.image * s.rows + at.row) * s.columns + at.column) * s.outputs + first;
    for (int64_t c = 0; c < count; c += PANEL) {
        const Sixteen shift = bias ? load(bias + first + c) : Sixteen{};
        twice<SIDE, MADE>([](auto &v, auto &t) { points_to_made(v, t); },
                          [&](int i, int j) { return load(from(i * SIDE + j, c)); },
                          [&](int i, int j, const Sixteen &sum) {
                              if (i >= rows || j >= columns) return;
                              Sixteen v = sum + shift;
                              if (relu) // a NaN stays one
                                  for (Vector &part : v.part) part = part < 0 ? Vector{} : part;
                              store(corner + (i * s.columns + j) * s.outputs + c, v);
                          });
    }
}

template <int MADE>
int convolve(const Convolution &s, int threads, const float *x, const float *u, const float *bias, bool relu, float *y) {
    const Tiling tiling(s);
    const int64_t channels = s.channels / s.groups, outputs = s.outputs / s.groups;
    const int64_t v_point = TILES * channels + LINE, m_point = TILES * outputs + LINE;
    const int64_t scratch = channels + POINTS * (v_point + m_point);
    return parallel(tiling.count, threads, scratch, [=, &s, &tiling](int64_t begin, int64_t end, float *memory) {
        const float *const zeros = memory;
        float *const v = memory + channels, *const m = v + POINTS * v_point;
        for (int64_t start = begin; start < end; start += TILES) {
            const int64_t some = smaller(TILES, end - start);
            for (int64_t g = 0; g < s.groups; g++) {
                for (int64_t t = 0; t < some; t++)
                    read_tile(s, Tile(tiling, start + t), x, g * channels, channels, zeros,
                              [=](int64_t p, int64_t c) { return v + p * v_point + t * channels + c; });
                for (int64_t p = 0; p < POINTS; p++)
                    for (int64_t o = 0; o < outputs; o += PANEL)
                        products(some, channels, v + p * v_point, channels, 1,
                                 u + ((p * s.groups + g) * outputs + o) * channels, m + p * m_point + o, outputs, false);
                for (int64_t t = 0; t < some; t++)
                    write_tile<MADE>(s, Tile(tiling, start + t),
                                     [=](int64_t p, int64_t c) { return m + p * m_point + t * outputs + c; }, bias, relu,
                                     g * outputs, outputs, y);
            }
        }
    }, channels);
}

// u (36, groups, outputs / PANEL, channels, PANEL) of w (kernel, kernel, groups, channels, outputs), which are those of a
// group here; `turned` reads the kernel from its last row and column on.
template <int KERNEL>
int weights_to_points(int64_t groups, int64_t channels, int64_t outputs, bool turned, int threads, const float *w, float *u) {
    const int64_t panels = outputs / PANEL, place = groups * channels * outputs;
    return parallel(groups * panels * channels, threads, 0, [=](int64_t begin, int64_t end, float *) {
        for (int64_t n = begin; n < end; n++) {
            const int64_t c = n % channels, panel = n / channels % panels, g = n / channels / panels;
            const float *const from = w + (g * channels + c) * outputs + panel * PANEL;
            const int last = turned ? KERNEL - 1 : 0, step = turned ? -1 : 1;
            twice<KERNEL, SIDE>([](auto &v, auto &t) { kernel_to_points(v, t); },
                                [=](int i, int j) { return load(from + ((last + step * i) * KERNEL + last + step * j) * place); },
                                [=](int i, int j, const Sixteen &v) { store(u + (i * SIDE + j) * place + n * PANEL, v); });
        }
    });
}

// gw (kernel, kernel, groups, channels, outputs) of the gradient gy of the outputs.
template <int KERNEL> int weight_gradient(const Convolution &s, int threads, const float *x, const float *gy, float *gw) {
    constexpr int MADE = SIDE + 1 - KERNEL;
    const Tiling tiling(s);
    const int64_t channels = s.channels / s.groups, outputs = s.outputs / s.groups, place = s.channels * outputs;
    const int64_t many = smaller(MANY_TILES, tiling.count);
    const int64_t v_point = many * s.channels + LINE, d_point = many * s.outputs + LINE;
    float *const memory = static_cast<float *>(
        aligned_alloc(64, size_t(POINTS * (v_point + d_point + place) * int64_t(sizeof(float)) + 63) / 64 * 64));
    if (!memory) return 1;
    float *const v = memory, *const d = v + POINTS * v_point, *const gu = d + POINTS * d_point;
    memset(gu, 0, size_t(POINTS * place) * sizeof(float));
    int status = 0;
    for (int64_t start = 0; start < tiling.count && !status; start += many) {
        const int64_t some = smaller(many, tiling.count - start);
        const auto transform = [=, &s, &tiling](int64_t begin, int64_t end, float *zeros) {
            for (int64_t t = begin; t < end; t++) {
                const Tile at(tiling, start + t);
                read_tile(s, at, x, 0, s.channels, zeros,
                          [=](int64_t p, int64_t c) { return v + p * v_point + t * s.channels + c; });
                const float *const corner = gy + ((at.image * s.rows + at.row) * s.columns + at.column) * s.outputs;
                const int64_t rows = s.rows - at.row, columns = s.columns - at.column;
                for (int64_t c = 0; c < s.outputs; c += PANEL)
                    twice<MADE, SIDE>([](auto &v, auto &t) { made_to_points(v, t); },
                                      [=, &s](int i, int j) {
                                          const float *const from = corner + (i * s.columns + j) * s.outputs + c;
                                          return i < rows && j < columns ? load(from) : Sixteen{};
                                      },
                                      [=](int i, int j, const Sixteen &v) {
                                          store(d + (i * SIDE + j) * d_point + c * many + t * PANEL, v);
                                      });
            }
        };
        status = parallel(some, threads, s.channels, transform);
        const int64_t panels = s.outputs / PANEL;
        const auto add = [=](int64_t begin, int64_t end, float *) {
            for (int64_t n = begin; n < end; n++) {
                const int64_t p = n / panels, o = n % panels * PANEL, g = o / outputs;
                products(channels, some, v + p * v_point + g * channels, 1, s.channels, d + p * d_point + o * many,
                         gu + p * place + g * channels * outputs + (o - g * outputs), outputs, true);
            }
        };
        if (!status) status = parallel(POINTS * panels, threads, 0, add);
    }
    const auto back = [=](int64_t begin, int64_t end, float *) {
        for (int64_t n = begin * PANEL; n < end * PANEL; n += PANEL)
            twice<SIDE, KERNEL>([](auto &v, auto &t) { points_to_kernel(v, t); },
                                [=](int i, int j) { return load(gu + (i * SIDE + j) * place + n); },
                                [=](int i, int j, const Sixteen &v) { store(gw + (i * KERNEL + j) * place + n, v); });
    };
    if (!status) status = parallel(place / PANEL, threads, 0, back);
    free(memory);
    return status;
}

} // namespace
