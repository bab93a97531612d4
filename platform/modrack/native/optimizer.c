/* The norm of all gradients, and AdamW: each reads what it needs once. See optimizer.py. */
#include <math.h>
#include <stdint.h>

/* Entries that are passed over together where they never had a gradient. */
#define CHUNK 128
/* Entries that are added up together, whatever the number of threads: sums are the same on any machine. */
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

/* Marks the chunks of a tensor in which a moment is not zero. */
void mark(int64_t size, const float *mean, const float *square, uint8_t *seen)
{
    #pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < (size + CHUNK - 1) / CHUNK; k++) {
        int64_t to = (k + 1) * CHUNK < size ? (k + 1) * CHUNK : size;
        int found = 0;
        for (int64_t i = k * CHUNK; i < to; i++)
            found |= mean[i] != 0 || square[i] != 0;
        seen[k] = (uint8_t)found;
    }
}

/* One step of `count` weights: moments, and w = keep * w - step * mean / (sqrt(square) / root + eps), a row of
   `factors` each: step, keep, root. Gradients are multiplied by `scale`. Where a chunk never had a gradient the
   moments are zero and stay so: w only decays. */
void adamw(int64_t count, float **weights, const float **gradients, float **means, float **squares, uint8_t **seen,
    const int64_t *sizes, const float *factors, float beta1, float beta2, float eps, float scale)
{
    #pragma omp parallel
    for (int64_t t = 0; t < count; t++) {
        float step = factors[3 * t], keep = factors[3 * t + 1], root = factors[3 * t + 2];
        #pragma omp for schedule(static) nowait
        for (int64_t k = 0; k < (sizes[t] + CHUNK - 1) / CHUNK; k++) {
            int64_t from = k * CHUNK, size = sizes[t] - from < CHUNK ? sizes[t] - from : CHUNK;
            float *restrict w = weights[t] + from, *restrict m = means[t] + from, *restrict v = squares[t] + from;
            const float *restrict g = gradients[t] + from;
            if (!seen[t][k]) {
                int found = 0;
                #pragma omp simd reduction(|:found)
                for (int64_t i = 0; i < size; i++)
                    found |= g[i] != 0;
                if (!found) {
                    if (keep != 1)
                        for (int64_t i = 0; i < size; i++)
                            w[i] *= keep;
                    continue;
                }
                seen[t][k] = 1;
            }
            #pragma omp simd
            for (int64_t i = 0; i < size; i++) {
                float slope = g[i] * scale;
                float mean = m[i] + (1 - beta1) * (slope - m[i]);
                float square = beta2 * v[i] + (1 - beta2) * slope * slope;
                m[i] = mean;
                v[i] = square;
                w[i] = w[i] * keep - step * mean / (sqrtf(square) / root + eps);
            }
        }
    }
}
