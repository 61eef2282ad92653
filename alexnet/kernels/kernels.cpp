// The table of kernels for one instruction set. Compiled once for each, with INSTRUCTIONS the set's name and
// the compiler flags that allow it; dispatch.cpp chooses at run time.
#include "abi.h"
#include "augment.h"
#include "dropout.h"
#include "norm.h"
#include "stage.h"
#include "update.h"
#include "winograd.h"

namespace {

// Calls `f` with pointers to the element type that `is_bf16` names.
template <class F> int typed(int is_bf16, F f) { return is_bf16 ? f(bf16()) : f(float()); }

// The door of the library: sizes beyond these are a caller's error, or what a stranger's file says.
constexpr int NO_SUCH_SIZES = 2;
constexpr int64_t MANY = int64_t(1) << 40, WIDE = int64_t(1) << 20;

bool between(int64_t low, int64_t x, int64_t high) { return low <= x && x <= high; }

bool can_be(const Norm &n) {
    return between(1, n.channels, WIDE) && between(1, n.towers, n.channels) && n.channels % n.towers == 0 &&
           between(0, n.lo, n.channels) && between(0, n.hi, n.channels);
}

bool can_be(const Stage &s) {
    bool padded = true;
    for (int64_t side : {s.top, s.bottom, s.left, s.right}) padded = padded && between(0, side, s.kernel - 1);
    return can_be(s.norm) && between(0, s.images, MANY) && between(1, s.height, WIDE) && between(1, s.width, WIDE) &&
           between(1, s.kernel, MAX_KERNEL) && between(1, s.stride, WIDE) && padded &&
           s.top + s.height + s.bottom >= s.kernel && s.left + s.width + s.right >= s.kernel &&
           (!s.spatially || (between(1, s.spatial.size, WIDE) && s.spatial.size % 2));
}

bool can_be(const Augment &a) {
    return between(0, a.images, MANY) && between(1, a.crop, WIDE) && between(a.crop, a.width, WIDE) &&
           between(1, a.block, WIDE) && between(1, a.blocks, WIDE) && a.block * a.blocks >= a.crop;
}

bool can_be(const Convolution &c) {
    bool wide = true;
    for (int64_t size : {c.height, c.width, c.channels, c.outputs, c.rows, c.columns}) wide = wide && between(1, size, WIDE);
    return wide && between(0, c.images, MANY) && between(1, c.groups, c.channels) && (c.kernel == 3 || c.kernel == 5) &&
           c.channels % (c.groups * PANEL) == 0 && c.outputs % (c.groups * PANEL) == 0 && between(0, c.top, c.kernel - 1) &&
           between(0, c.left, c.kernel - 1);
}

template <class T> const T *in(const void *p, T) { return static_cast<const T *>(p); }
template <class T> T *out(void *p, T) { return static_cast<T *>(p); }

int norm_forward(const Norm *n, int64_t pixels, int is_bf16, int threads, const void *x, void *y) {
    if (!can_be(*n) || !between(0, pixels, MANY)) return NO_SUCH_SIZES;
    return typed(is_bf16, [=](auto t) { return norm_forward(*n, pixels, threads, in(x, t), out(y, t)); });
}

int norm_backward(const Norm *n, int64_t pixels, int is_bf16, int threads, const void *x, const void *gy,
                  void *gx) {
    if (!can_be(*n) || !between(0, pixels, MANY)) return NO_SUCH_SIZES;
    return typed(is_bf16, [=](auto t) {
        return norm_backward(*n, pixels, threads, in(x, t), in(gy, t), out(gx, t));
    });
}

int stage_forward(const Stage *s, int is_bf16, int threads, const void *x, void *y, uint8_t *argmax) {
    if (!can_be(*s)) return NO_SUCH_SIZES;
    return typed(is_bf16, [=](auto t) { return stage_forward(*s, threads, in(x, t), out(y, t), argmax); });
}

int stage_backward(const Stage *s, int is_bf16, int threads, const void *x, const uint8_t *argmax,
                   const void *gy, void *gx) {
    if (!can_be(*s)) return NO_SUCH_SIZES;
    return typed(is_bf16, [=](auto t) {
        return stage_backward(*s, threads, in(x, t), argmax, in(gy, t), out(gx, t));
    });
}

int momentum_update(int64_t count, int is_bf16, int threads, double lr, double momentum, double weight_decay,
                    const void *grad, float *master, float *velocity, void *working) {
    if (!between(0, count, MANY)) return NO_SUCH_SIZES;
    return typed(is_bf16, [=](auto t) {
        return momentum_update(count, threads, float(lr), float(momentum), float(weight_decay), in(grad, t),
                               master, velocity, static_cast<bf16 *>(working));
    });
}

int dropout_forward(int64_t count, int is_bf16, int threads, int64_t seed, int64_t threshold, double scale,
                    int relu, const void *x, void *y) {
    if (!between(0, count, MANY)) return NO_SUCH_SIZES;
    return typed(is_bf16, [=](auto t) {
        return dropout_forward(count, threads, uint64_t(seed), uint32_t(threshold), float(scale), relu != 0,
                               in(x, t), out(y, t));
    });
}

int dropout_backward(int64_t count, int is_bf16, int threads, int64_t seed, int64_t threshold, double scale,
                     const void *y, const void *gy, void *gx) {
    if (!between(0, count, MANY)) return NO_SUCH_SIZES;
    return typed(is_bf16, [=](auto t) {
        return dropout_backward(count, threads, uint64_t(seed), uint32_t(threshold), float(scale), in(y, t),
                                in(gy, t), out(gx, t));
    });
}

int augment(const Augment *a, int is_bf16, int threads, void *to) {
    if (!can_be(*a)) return NO_SUCH_SIZES;
    return typed(is_bf16, [=](auto t) { return augment(*a, threads, out(to, t)); });
}

int winograd_weights(const Convolution *c, int turned, int threads, const float *w, float *u) {
    if (!can_be(*c)) return NO_SUCH_SIZES;
    const int64_t channels = c->channels / c->groups, outputs = c->outputs / c->groups;
    return c->kernel == 3 ? weights_to_points<3>(c->groups, channels, outputs, turned, threads, w, u)
                          : weights_to_points<5>(c->groups, channels, outputs, turned, threads, w, u);
}

int winograd_forward(const Convolution *c, int relu, int threads, const float *x, const float *u, const float *bias,
                     float *y) {
    if (!can_be(*c)) return NO_SUCH_SIZES;
    return c->kernel == 3 ? convolve<4>(*c, threads, x, u, bias, relu, y) : convolve<2>(*c, threads, x, u, bias, relu, y);
}

int winograd_weight_gradient(const Convolution *c, int threads, const float *x, const float *gy, float *gw) {
    if (!can_be(*c)) return NO_SUCH_SIZES;
    return c->kernel == 3 ? weight_gradient<3>(*c, threads, x, gy, gw) : weight_gradient<5>(*c, threads, x, gy, gw);
}

} // namespace

#define NAME_OF(x) #x
#define STRING_OF(x) NAME_OF(x)
#define TABLE_OF(x) kernels_##x
#define TABLE(x) TABLE_OF(x)

extern const Kernels TABLE(INSTRUCTIONS);
const Kernels TABLE(INSTRUCTIONS) = {
    STRING_OF(INSTRUCTIONS), norm_forward,    norm_backward,   stage_forward,
    stage_backward,          momentum_update, dropout_forward, dropout_backward, augment,
    winograd_weights,        winograd_forward, winograd_weight_gradient,
};
