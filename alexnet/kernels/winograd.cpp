// A dense convolution of stride 1 as products of tiles (Winograd; Lavin and Gray, 2016): tiles of 6 x 6 numbers, which give
// 4 x 4 outputs of a 3 x 3 kernel or 2 x 2 of a 5 x 5 one. Here are the two transforms around the products; both interpolate
// at 0, 1, -1, 2, -2 and infinity.
//
// Exported by name, one function for each instruction set, as the loops of ceiling.cpp are; winograd.py calls them.
#include "numbers.h"

// Tiles `first` .. first+count-1 of all the images', `down` rows of `across` in each, of which every one gives made * made
// outputs (4 or 2). Height, width and channels are those of the map that is read, or written; `top` rows and `left` columns
// of zeros lie before a map that is read, and as many behind it as the tiles reach. winograd.py mirrors every line.
struct Tiles {
    int64_t images, height, width, channels, made, down, across, first, count, top, left;
};

namespace {

constexpr int64_t TILE = 6, BLOCK = 64; // numbers along a tile; channels at a time
constexpr int NO_SUCH_SIZES = 2;

bool between(int64_t low, int64_t x, int64_t high) { return low <= x && x <= high; }

bool can_be(const Tiles &s) {
    const int64_t many = int64_t(1) << 40, wide = int64_t(1) << 20;
    return between(0, s.images, many) && between(1, s.height, wide) && between(1, s.width, wide) &&
           between(1, s.channels, wide) && (s.made == 2 || s.made == 4) && between(1, s.down, wide) &&
           between(1, s.across, wide) && between(0, s.first, many) && between(0, s.count, many) &&
           s.first + s.count <= s.images * s.down * s.across && between(0, s.top, TILE) && between(0, s.left, TILE);
}

// Whether all tiles begin inside the map that they write.
bool covers(const Tiles &s) { return (s.down - 1) * s.made < s.height && (s.across - 1) * s.made < s.width; }

// One dimension of the input's transform, `channels` numbers beside each other.
inline void into_points(const float *const *v, float *const *t, int64_t channels) {
    const float *__restrict v0 = v[0], *__restrict v1 = v[1], *__restrict v2 = v[2];
    const float *__restrict v3 = v[3], *__restrict v4 = v[4], *__restrict v5 = v[5];
    float *__restrict t0 = t[0], *__restrict t1 = t[1], *__restrict t2 = t[2];
    float *__restrict t3 = t[3], *__restrict t4 = t[4], *__restrict t5 = t[5];
    for (int64_t c = 0; c < channels; c++) {
        const float even = v4[c] - 4 * v2[c], odd = v3[c] - 4 * v1[c];
        const float near = v4[c] - v2[c], far = 2 * (v3[c] - v1[c]);
        t0[c] = 4 * v0[c] - 5 * v2[c] + v4[c];
        t1[c] = even + odd;
        t2[c] = even - odd;
        t3[c] = near + far;
        t4[c] = near - far;
        t5[c] = 4 * v1[c] - 5 * v3[c] + v5[c];
    }
}

// One dimension of the output's transform: MADE numbers of six.
template <int MADE> void from_points(const float *const *v, float *const *t, int64_t channels) {
    const float *__restrict v0 = v[0], *__restrict v1 = v[1], *__restrict v2 = v[2];
    const float *__restrict v3 = v[3], *__restrict v4 = v[4], *__restrict v5 = v[5];
    float *__restrict t0 = t[0], *__restrict t1 = t[1];
    if (MADE == 2) {
        for (int64_t c = 0; c < channels; c++) {
            t0[c] = v0[c] + (v1[c] + v2[c]) + (v3[c] + v4[c]);
            t1[c] = (v1[c] - v2[c]) + 2 * (v3[c] - v4[c]) + v5[c];
        }
        return;
    }
    float *__restrict t2 = t[2], *__restrict t3 = t[3];
    for (int64_t c = 0; c < channels; c++) {
        const float near = v1[c] + v2[c], near_odd = v1[c] - v2[c];
        const float far = v3[c] + v4[c], far_odd = v3[c] - v4[c];
        t0[c] = v0[c] + near + far;
        t1[c] = near_odd + 2 * far_odd;
        t2[c] = near + 4 * far;
        t3[c] = near_odd + 8 * far_odd + v5[c];
    }
}

// Where tile `t` of all the images' lies: its image, and its first row and column of outputs.
struct TilePlace {
    int64_t image, row, column;

    TilePlace(const Tiles &s, int64_t t)
        : image(t / (s.down * s.across)), row(t / s.across % s.down * s.made), column(t % s.across * s.made) {}
};

// Tiles first .. first+count-1 of x (images, height, width, channels) to v (count, 36, channels).
int winograd_input(const Tiles &s, int threads, const float *x, float *v) {
    const int64_t zeros = s.channels, scratch = zeros + TILE * TILE * BLOCK;
    return parallel(s.count, threads, scratch, [=, &s](int64_t begin, int64_t end, float *memory) {
        float *const half = memory + zeros; // the columns of a tile transformed
        for (int64_t t = begin; t < end; t++) {
            const TilePlace at(s, s.first + t);
            const float *pixel[TILE][TILE]; // by column, then row
            for (int64_t i = 0; i < TILE; i++)
                for (int64_t j = 0; j < TILE; j++) {
                    const int64_t h = at.row + i - s.top, w = at.column + j - s.left;
                    const bool inside = 0 <= h && h < s.height && 0 <= w && w < s.width;
                    pixel[j][i] = inside ? x + ((at.image * s.height + h) * s.width + w) * s.channels : memory;
                }
            for (int64_t c = 0; c < s.channels; c += BLOCK) {
                const int64_t some = smaller(BLOCK, s.channels - c);
                const float *from[TILE];
                float *to[TILE];
                for (int64_t j = 0; j < TILE; j++) {
                    for (int64_t i = 0; i < TILE; i++)
                        from[i] = pixel[j][i] + (pixel[j][i] == memory ? 0 : c), to[i] = half + (i * TILE + j) * BLOCK;
                    into_points(from, to, some);
                }
                for (int64_t i = 0; i < TILE; i++) {
                    for (int64_t j = 0; j < TILE; j++) {
                        from[j] = half + (i * TILE + j) * BLOCK;
                        to[j] = v + ((t * TILE + i) * TILE + j) * s.channels + c;
                    }
                    into_points(from, to, some);
                }
            }
        }
    });
}

// The products m (count, 36, channels) of those tiles to their places in y (images, height, width, channels), which is
// the output here; `bias` is added, and negative numbers become 0 if `relu`.
template <int MADE>
int winograd_output(const Tiles &s, int relu, int threads, const float *m, const float *bias, float *y) {
    const int64_t each = TILE * BLOCK; // a row of a tile, half transformed
    return parallel(s.count, threads, MADE * each + MADE * BLOCK, [=, &s](int64_t begin, int64_t end, float *memory) {
        float *const half = memory, *const row = memory + MADE * each;
        for (int64_t t = begin; t < end; t++) {
            const TilePlace at(s, s.first + t);
            for (int64_t c = 0; c < s.channels; c += BLOCK) {
                const int64_t some = smaller(BLOCK, s.channels - c);
                const float *from[TILE];
                float *to[MADE];
                for (int64_t j = 0; j < TILE; j++) {
                    for (int64_t i = 0; i < TILE; i++) from[i] = m + ((t * TILE + i) * TILE + j) * s.channels + c;
                    for (int64_t i = 0; i < MADE; i++) to[i] = half + i * each + j * BLOCK;
                    from_points<MADE>(from, to, some);
                }
                for (int64_t i = 0; i < smaller(MADE, s.height - at.row); i++) {
                    for (int64_t j = 0; j < TILE; j++) from[j] = half + i * each + j * BLOCK;
                    for (int64_t j = 0; j < MADE; j++) to[j] = row + j * BLOCK;
                    from_points<MADE>(from, to, some);
                    for (int64_t j = 0; j < smaller(MADE, s.width - at.column); j++) {
                        const int64_t pixel = (at.image * s.height + at.row + i) * s.width + at.column + j;
                        float *const out = y + pixel * s.channels + c;
                        const float *const sums = row + j * BLOCK, *const shift = bias + c;
                        // max(v, 0) of a NaN would be 0
                        for (int64_t k = 0; k < some; k++) out[k] = sums[k] + shift[k];
                        if (relu)
                            for (int64_t k = 0; k < some; k++) out[k] = out[k] < 0 ? 0 : out[k];
                    }
                }
            }
        }
    });
}

} // namespace

#define JOINED(name, set) name##set
#define NAMED(name, set) JOINED(name, set)
#define EXPORT(name) extern "C" __attribute__((visibility("default"))) int NAMED(name, INSTRUCTIONS)

// All return what the kernels of abi.h do.
EXPORT(alexnet_winograd_input_)(const Tiles *s, int threads, const float *x, float *v) {
    return can_be(*s) ? winograd_input(*s, threads, x, v) : NO_SUCH_SIZES;
}

EXPORT(alexnet_winograd_output_)(const Tiles *s, int relu, int threads, const float *m, const float *bias, float *y) {
    if (!can_be(*s) || !covers(*s)) return NO_SUCH_SIZES;
    return s->made == 4 ? winograd_output<4>(*s, relu, threads, m, bias, y)
                        : winograd_output<2>(*s, relu, threads, m, bias, y);
}
