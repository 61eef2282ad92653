// What crosses the border between Python (native.py mirrors every line of this file) and C++.
#pragma once
#include <cstdint>

// Raised with every change of this file, so that a library built from older sources is refused.
constexpr int64_t ABI = 3;

// y = x * (k + alpha * (sum of x^2 over channels c-lo .. c+hi))^-beta, inside each of `towers` equal blocks.
struct Norm {
    int64_t channels, towers, lo, hi;
    double k, alpha, beta;
};

// y = x * (k + alpha * (sum of x^2 over size * size positions of the map around it))^-beta; `size` is odd.
struct Spatial {
    int64_t size;
    double k, alpha, beta;
};

// [ReLU ->] [norm -> [spatial norm ->]] max-pool [-> ReLU] of (images, height, width, channels), the pool with
// `top` .. `right` around its map, which are never the maximum. ReLU before a pool without norm is the same function
// as ReLU after it, and is expressed so.
struct Stage {
    Norm norm;
    Spatial spatial;
    int64_t images, height, width, kernel, stride, top, bottom, left, right;
    int64_t normalises, relu_before, relu_after, spatially;
};

// The largest kernel whose window places fit a byte beside the mark DEAD.
constexpr int64_t MAX_KERNEL = 15;

// Crops of `images` photographs of 3 interleaved colours and `width` columns, each row (pixel - mean + shift) *
// scale, space to depth, `blocks` * `blocks` blocks of `block` * `block` pixels; zero where a block has no crop.
struct Augment {
    int64_t images, width, crop, block, blocks;
    double scale;
    const uint8_t *const *pixels;  // by image
    const int64_t *top, *left;     // by image
    const uint8_t *mirrored;       // by image; the mean is not mirrored
    const float *shift, *mean;     // (images, 3), (crop, crop, 3)
};

// A convolution of stride 1 of `images` maps of height x width pixels: kernel x kernel weights, 3 or 5; output `rows` x
// `columns` pixels, with `top` rows and `left` columns of zeros before a map and as many behind it as outputs ask for.
struct Convolution {
    int64_t images, height, width, channels, outputs, groups, kernel, top, left, rows, columns;
};

// All functions return 0; 1 when there is no memory for scratch; 2 for sizes that cannot be, of which nothing is read
// or written. `bf16` says what `void*` points to: bfloat16 (1) or float (0). Tensors are dense and channels-last.
struct Kernels {
    const char *instructions;
    int (*norm_forward)(const Norm *, int64_t pixels, int bf16, int threads, const void *x, void *y);
    int (*norm_backward)(const Norm *, int64_t pixels, int bf16, int threads, const void *x, const void *gy,
                         void *gx);
    // `argmax` may be null: then nothing is recorded for a backward pass.
    int (*stage_forward)(const Stage *, int bf16, int threads, const void *x, void *y, uint8_t *argmax);
    // `x` is read only if the stage normalises.
    int (*stage_backward)(const Stage *, int bf16, int threads, const void *x, const uint8_t *argmax,
                          const void *gy, void *gx);
    // `bf16` speaks of `grad`; `working` is bfloat16 or null.
    int (*momentum_update)(int64_t count, int bf16, int threads, double lr, double momentum,
                           double weight_decay, const void *grad, float *master, float *velocity,
                           void *working);
    // An element is dropped if its 32 random bits are below `threshold`; the others are multiplied by `scale`.
    int (*dropout_forward)(int64_t count, int bf16, int threads, int64_t seed, int64_t threshold, double scale,
                           int relu, const void *x, void *y);
    // `y` is the forward pass's output if that began with a ReLU, and null if not.
    int (*dropout_backward)(int64_t count, int bf16, int threads, int64_t seed, int64_t threshold,
                            double scale, const void *y, const void *gy, void *gx);
    int (*augment)(const Augment *, int bf16, int threads, void *out);
    // Of weights w (kernel, kernel, groups, channels, outputs), of a group the last two, the numbers u at 36 points that
    // the next one takes (36, groups, outputs / 16, channels, 16); turned by half a turn if `turned`.
    int (*winograd_weights)(const Convolution *, int turned, int threads, const float *w, float *u);
    // `bias` may be null; what is negative becomes 0 if `relu`.
    int (*winograd_forward)(const Convolution *, int relu, int threads, const float *x, const float *u,
                            const float *bias, float *y);
    int (*winograd_weight_gradient)(const Convolution *, int threads, const float *x, const float *gy, float *gw);
};
