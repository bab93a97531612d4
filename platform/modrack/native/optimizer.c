/* The norm of all gradients, and AdamW: each reads what it needs once. See optimizer.py. */
#include <math.h>
#include <stdint.h>

/* Entries that are passed over together where they never had a gradient. */
#define CHUNK 128
/* Entries that are added up together, so that sums are the same with any number of threads. */
#define PIECE 65536
#define GROUP 1024

/* Adds up the squares of `count` tensors; `sums` has room for one number a piece. */
double square_sum(int64_t count, const float **tensors, const int64_t *sizes, double *sums)
{
    int64_t pieces = 0;
    for (int64_t t = 0; t < count; t++)
        pieces += (sizes[t] + PIECE - 1) / PIECE;
    #pragma omp parallel
    {
        int64_t first = 0;
        for (int64_t t = 0; t < count; t++) {
            int64_t here = (sizes[t] + PIECE - 1) / PIECE;
            #pragma omp for schedule(static) nowait
            for (int64_t k = 0; k < here; k++) {
                const float *x = tensors[t] + k * PIECE;
                int64_t size = sizes[t] - k * PIECE < PIECE ? sizes[t] - k * PIECE : PIECE;
                double sum = 0;
                for (int64_t from = 0; from < size; from += GROUP) {
                    int64_t to = from + GROUP < size ? from + GROUP : size;
                    float part = 0;
                    #pragma omp simd reduction(+:part)
                    for (int64_t i = from; i < to; i++)
                        part += x[i] * x[i];
                    sum += part;
                }
                sums[first + k] = sum;
            }
            first += here;
        }
    }
    double sum = 0;
    for (int64_t k = 0; k < pieces; k++)
        sum += sums[k];
    return sum;
}

/* Marks the chunks, of `chunk` entries, of a tensor in which a moment is not zero. */
void mark(int64_t size, int64_t chunk, const float *mean, const float *square, uint8_t *seen)
{
    #pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < (size + chunk - 1) / chunk; k++) {
        int64_t to = (k + 1) * chunk < size ? (k + 1) * chunk : size;
        int found = 0;
        for (int64_t i = k * chunk; i < to; i++)
            found |= mean[i] != 0 || square[i] != 0;
        seen[k] = (uint8_t)found;
    }
}

/* What a step goes by: `rest` is what a beta leaves of 1. The gradient is multiplied by `scale`. */
typedef struct { float step, keep, root, beta1, rest1, beta2, rest2, eps, scale; } rule;

/* Moments, and w = keep * w - step * mean / (sqrt(square) / root + eps). Without a gradient it is zero. */
static inline void move(int64_t size, float *restrict w, const float *restrict g, float *restrict m, float *restrict v,
    rule r)
{
    #pragma omp simd
    for (int64_t i = 0; i < size; i++) {
        float slope = g ? g[i] * r.scale : 0.0f;
        float mean = r.beta1 * m[i] + r.rest1 * slope;
        float square = r.beta2 * v[i] + r.rest2 * slope * slope;
        m[i] = mean;
        v[i] = square;
        w[i] = w[i] * r.keep - r.step * mean / (sqrtf(square) / r.root + r.eps);
    }
}

/* What never had a gradient has no moments, and keeps none. */
static inline void decay(int64_t size, float *w, rule r)
{
    if (r.keep != 1)
        for (int64_t i = 0; i < size; i++)
            w[i] *= r.keep;
}

/* One step of `count` weights; of each, `factors` has step, keep and root. */
void adamw(int64_t count, float **weights, const float **gradients, float **means, float **squares, uint8_t **seen,
    const int64_t *sizes, const float *factors, float beta1, float rest1, float beta2, float rest2, float eps,
    float scale)
{
    #pragma omp parallel
    for (int64_t t = 0; t < count; t++) {
        rule r = {factors[3 * t], factors[3 * t + 1], factors[3 * t + 2], beta1, rest1, beta2, rest2, eps, scale};
        #pragma omp for schedule(static) nowait
        for (int64_t k = 0; k < (sizes[t] + CHUNK - 1) / CHUNK; k++) {
            int64_t from = k * CHUNK, size = sizes[t] - from < CHUNK ? sizes[t] - from : CHUNK;
            const float *g = gradients[t] + from;
            if (!seen[t][k]) {
                int found = 0;
                #pragma omp simd reduction(|:found)
                for (int64_t i = 0; i < size; i++)
                    found |= g[i] != 0;
                seen[t][k] = (uint8_t)found;
            }
            if (seen[t][k])
                move(size, weights[t] + from, g, means[t] + from, squares[t] + from, r);
            else
                decay(size, weights[t] + from, r);
        }
    }
}

/* One step of a weight (rows, width), of which only some rows have a gradient: row i that of row place[i] of `values`,
   where that is not negative. */
void adamw_rows(int64_t rows, int64_t width, float *weight, const int32_t *place, const float *values, float *mean,
    float *square, uint8_t *seen, float step, float keep, float root, float beta1, float rest1, float beta2,
    float rest2, float eps, float scale)
{
    rule r = {step, keep, root, beta1, rest1, beta2, rest2, eps, scale};
    /* In turn, as frequent rows often lie together. */
    #pragma omp parallel for schedule(static, 16)
    for (int64_t i = 0; i < rows; i++) {
        int64_t from = i * width;
        seen[i] |= place[i] >= 0;
        if (!seen[i])
            decay(width, weight + from, r);
        else if (place[i] >= 0)
            move(width, weight + from, values + place[i] * width, mean + from, square + from, r);
        else
            move(width, weight + from, 0, mean + from, square + from, r);
    }
}
