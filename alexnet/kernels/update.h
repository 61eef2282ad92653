// The paper's update rule in one pass over weights and momentum.
#pragma once
#include "numbers.h"

namespace {

// velocity <- momentum * velocity - weight_decay * lr * master - lr * grad; master <- master + velocity; and a
// rounded copy of master into `working`, unless that is null. (PAPER, section 5)
template <class T>
int momentum_update(int64_t count, int threads, float lr, float momentum, float weight_decay,
                    const T *__restrict grad, float *__restrict master, float *__restrict velocity,
                    bf16 *__restrict working) {
    const int64_t piece = 4096; // a small tensor is not worth a second thread
    return parallel((count + piece - 1) / piece, threads, 0, [=](int64_t begin, int64_t end, float *) {
        for (int64_t p = begin; p < end; p++) {
            const int64_t last = smaller(count, (p + 1) * piece);
            for (int64_t i = p * piece; i < last; i++) {
                velocity[i] = momentum * velocity[i] - lr * (weight_decay * master[i] + widen(grad[i]));
                master[i] += velocity[i];
            }
            if (working)
                for (int64_t i = p * piece; i < last; i++) working[i] = narrow<bf16>(master[i]);
        }
    });
}

} // namespace
