// The six points of winograd.h: sixteen channels at a time, and what takes a map, its gradient and a kernel to points and back.
#pragma once
#include "numbers.h"

namespace {

constexpr int PANEL = 16, VECTORS = PANEL / FLOATS;
constexpr int64_t SIDE = 6, POINTS = SIDE * SIDE;

typedef float Vector __attribute__((vector_size(FLOATS * sizeof(float)), aligned(sizeof(float)), may_alias));

// Sixteen channels beside each other.
struct Sixteen {
    Vector part[VECTORS];
};

inline Sixteen load(const float *from) {
    Sixteen v;
    for (int i = 0; i < VECTORS; i++) v.part[i] = *reinterpret_cast<const Vector *>(from + i * FLOATS);
    return v;
}

inline void store(float *to, const Sixteen &v) {
    for (int i = 0; i < VECTORS; i++) *reinterpret_cast<Vector *>(to + i * FLOATS) = v.part[i];
}

inline Sixteen operator+(const Sixteen &a, const Sixteen &b) {
    Sixteen v;
    for (int i = 0; i < VECTORS; i++) v.part[i] = a.part[i] + b.part[i];
    return v;
}

inline Sixteen operator-(const Sixteen &a, const Sixteen &b) {
    Sixteen v;
    for (int i = 0; i < VECTORS; i++) v.part[i] = a.part[i] - b.part[i];
    return v;
}

inline Sixteen operator*(float a, const Sixteen &b) {
    Sixteen v;
    for (int i = 0; i < VECTORS; i++) v.part[i] = a * b.part[i];
    return v;
}

// The transforms, one dimension each: t of v.

// Lavin and Gray's B: six numbers of a map to points.
inline void map_to_points(const Sixteen (&v)[SIDE], Sixteen (&t)[SIDE]) {
    const Sixteen even = v[4] - 4 * v[2], odd = v[3] - 4 * v[1];
    const Sixteen near = v[4] - v[2], far = 2 * (v[3] - v[1]);
    t[0] = 4 * v[0] - 5 * v[2] + v[4];
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = near + far;
    t[4] = near - far;
    t[5] = 4 * v[1] - 5 * v[3] + v[5];
}

// A transposed: points to the MADE numbers that a tile gives.
inline void points_to_made(const Sixteen (&v)[SIDE], Sixteen (&t)[4]) {
    const Sixteen near = v[1] + v[2], near_odd = v[1] - v[2], far = v[3] + v[4], far_odd = v[3] - v[4];
    t[0] = v[0] + near + far;
    t[1] = near_odd + 2 * far_odd;
    t[2] = near + 4 * far;
    t[3] = near_odd + 8 * far_odd + v[5];
}

inline void points_to_made(const Sixteen (&v)[SIDE], Sixteen (&t)[2]) {
    t[0] = v[0] + (v[1] + v[2]) + (v[3] + v[4]);
    t[1] = (v[1] - v[2]) + 2 * (v[3] - v[4]) + v[5];
}

// A: the gradient of what a tile gives to points.
inline void made_to_points(const Sixteen (&v)[4], Sixteen (&t)[SIDE]) {
    const Sixteen even = v[0] + v[2], odd = v[1] + v[3];
    const Sixteen far_even = v[0] + 4 * v[2], far_odd = 2 * (v[1] + 4 * v[3]);
    t[0] = v[0];
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = far_even + far_odd;
    t[4] = far_even - far_odd;
    t[5] = v[3];
}

inline void made_to_points(const Sixteen (&v)[2], Sixteen (&t)[SIDE]) {
    t[0] = v[0];
    t[1] = v[0] + v[1];
    t[2] = v[0] - v[1];
    t[3] = v[0] + 2 * v[1];
    t[4] = v[0] - 2 * v[1];
    t[5] = v[1];
}

// G: a row of a kernel to points, the powers of each point over what the other points leave.
inline void kernel_to_points(const Sixteen (&v)[3], Sixteen (&t)[SIDE]) {
    const Sixteen even = (-1 / 6.f) * (v[0] + v[2]), odd = (-1 / 6.f) * v[1];
    const Sixteen far_even = (1 / 24.f) * (v[0] + 4 * v[2]), far_odd = (1 / 12.f) * v[1];
    t[0] = 0.25f * v[0];
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = far_even + far_odd;
    t[4] = far_even - far_odd;
    t[5] = v[2];
}

inline void kernel_to_points(const Sixteen (&v)[5], Sixteen (&t)[SIDE]) {
    const Sixteen even = (-1 / 6.f) * (v[0] + v[2] + v[4]), odd = (-1 / 6.f) * (v[1] + v[3]);
    const Sixteen far_even = (1 / 24.f) * (v[0] + 4 * v[2] + 16 * v[4]), far_odd = (1 / 12.f) * (v[1] + 4 * v[3]);
    t[0] = 0.25f * v[0];
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = far_even + far_odd;
    t[4] = far_even - far_odd;
    t[5] = v[4];
}

// G transposed: the gradient at points to that of a row of a kernel.
inline void points_to_kernel(const Sixteen (&v)[SIDE], Sixteen (&t)[3]) {
    const Sixteen near = (-1 / 6.f) * (v[1] + v[2]), near_odd = (-1 / 6.f) * (v[1] - v[2]);
    const Sixteen far = (1 / 24.f) * (v[3] + v[4]), far_odd = (1 / 12.f) * (v[3] - v[4]);
    t[0] = 0.25f * v[0] + near + far;
    t[1] = near_odd + far_odd;
    t[2] = near + 4 * far + v[5];
}

inline void points_to_kernel(const Sixteen (&v)[SIDE], Sixteen (&t)[5]) {
    const Sixteen near = (-1 / 6.f) * (v[1] + v[2]), near_odd = (-1 / 6.f) * (v[1] - v[2]);
    const Sixteen far = (1 / 24.f) * (v[3] + v[4]), far_odd = (1 / 12.f) * (v[3] - v[4]);
    t[0] = 0.25f * v[0] + near + far;
    t[1] = near_odd + far_odd;
    t[2] = near + 4 * far;
    t[3] = near_odd + 4 * far_odd;
    t[4] = near + 16 * far + v[5];
}

// Both dimensions: read(i, j) gives FROM x FROM numbers, write(i, j, v) takes TO x TO; `once` is the transform of one.
template <int FROM, int TO, class Once, class Read, class Write> inline void twice(Once once, Read read, Write write) {
    Sixteen half[TO][FROM];
    for (int j = 0; j < FROM; j++) {
        Sixteen v[FROM], t[TO];
        for (int i = 0; i < FROM; i++) v[i] = read(i, j);
        once(v, t);
        for (int i = 0; i < TO; i++) half[i][j] = t[i];
    }
    for (int i = 0; i < TO; i++) {
        Sixteen t[TO];
        once(half[i], t);
        for (int j = 0; j < TO; j++) write(i, j, t[j]);
    }
}

} // namespace
