/* What stands between the products of an encoder's layer with its weights: attention, dropout, sums with norms, GELU, and the backward
   of each. Between them numbers lie in bf16, within them they are fp32. See encoder_layer.py. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint16_t bf16;
typedef union { uint32_t bits; float number; } word;

static inline float up(bf16 x) { word w = {.bits = (uint32_t)x << 16}; return w.number; }

/* To the nearest, to even between two. */
static inline bf16 down(float x)
{
    word w = {.number = x};
    return (bf16)((w.bits + 0x7fff + ((w.bits >> 16) & 1)) >> 16);
}

/* What is left out: entries whose hash lies below `threshold`; the others are multiplied by `scale`. */
typedef struct { uint32_t threshold, first, second; float scale; } noise;

/* A finaliser of Wellons (nullprogram.com/blog/2018/07/31), with a second key between its rounds. */
static inline float kept(uint32_t place, noise n)
{
    uint32_t x = place * 0x9e3779b1u + n.first;
    x ^= x >> 16; x *= 0x7feb352du; x ^= n.second;
    x ^= x >> 15; x *= 0x846ca68bu;
    x ^= x >> 16;
    return x >= n.threshold ? n.scale : 0.0f;
}

/* e to the x: 2 to the rounded x / ln 2, times the polynomial of Cephes' expf for what is left. Nothing below 1e-30:
   products of smaller numbers would be too small for the processor to be quick. */
static inline float exponential(float given)
{
    float x = given < -69.0f ? -69.0f : (given > 88.0f ? 88.0f : given);
    float k = rintf(x * 1.44269504f);
    float r = x - k * 0.693359375f + k * 2.12194440e-4f;
    float y = 1.9875691500e-4f;
    y = y * r + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * r * r + r + 1.0f;
    word w = {.bits = (uint32_t)((int32_t)k + 127) << 23};
    return given < -69.0f ? 0.0f : y * w.number;
}

/* Sums over rows are made of so many parts, so that they are the same with any number of threads. */
#define PARTS 16

static void add_parts(int64_t width, const float *parts, int64_t stride, float *sum)
{
    memcpy(sum, parts, width * sizeof(float));
    for (int64_t part = 1; part < PARTS; part++)
        for (int64_t i = 0; i < width; i++)
            sum[i] += parts[part * stride + i];
}

/* Adds up the rows of x (rows, width) bf16 into sum (width) fp32; `parts` has room for PARTS * width. */
void sum_rows(int64_t rows, int64_t width, const bf16 *x, float *sum, float *parts)
{
    #pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < PARTS; part++) {
        float *s = parts + part * width;
        memset(s, 0, width * sizeof(float));
        for (int64_t r = rows * part / PARTS; r < rows * (part + 1) / PARTS; r++)
            for (int64_t i = 0; i < width; i++)
                s[i] += up(x[r * width + i]);
    }
    add_parts(width, parts, width, sum);
}

/* out = norm(x + dropout(made + bias)): made (rows, width) bf16, x and out fp32, the rows of x `x_stride` apart; low is
   out in bf16, or null; `sum` is what the norm is of, `centre` and `slope` its mean and the inverse of its deviation, a
   number a row. */
void add_norm(int64_t rows, int64_t width, const bf16 *made, const float *bias, const float *x, int64_t x_stride,
    const float *weight, const float *shift, float eps, float *sum, float *out, bf16 *low, float *centre, float *slope,
    uint32_t threshold, float scale, uint32_t first, uint32_t second)
{
    noise n = {threshold, first, second, scale};
    #pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        const bf16 *a = made + r * width;
        const float *b = x + r * x_stride;
        float *s = sum + r * width, *o = out + r * width, total = 0, spread = 0;
        #pragma omp simd reduction(+:total)
        for (int64_t i = 0; i < width; i++) {
            s[i] = b[i] + (up(a[i]) + bias[i]) * kept((uint32_t)(r * width + i), n);
            total += s[i];
        }
        float mean = total / width;
        #pragma omp simd reduction(+:spread)
        for (int64_t i = 0; i < width; i++)
            spread += (s[i] - mean) * (s[i] - mean);
        float inverse = 1.0f / sqrtf(spread / width + eps);
        centre[r] = mean;
        slope[r] = inverse;
        #pragma omp simd
        for (int64_t i = 0; i < width; i++)
            o[i] = (s[i] - mean) * inverse * weight[i] + shift[i];
        for (int64_t i = 0; low && i < width; i++)
            low[r * width + i] = down(o[i]);
    }
}

/* The backward of the above for the slopes `up1` (fp32) and, where there is one, `up2` (bf16), added up. Gives those
   of x, of `made`, and (3, width) of weight, shift and bias; `parts` has room for PARTS * 3 * width. */
void add_norm_back(int64_t rows, int64_t width, const float *up1, const bf16 *up2, const float *sum,
    const float *centre, const float *slope, const float *weight, float *dx, bf16 *dmade, float *dweights, float *parts,
    uint32_t threshold, float scale, uint32_t first, uint32_t second)
{
    noise n = {threshold, first, second, scale};
    #pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < PARTS; part++) {
        float *dw = parts + part * 3 * width, *ds = dw + width, *db = ds + width;
        memset(dw, 0, 3 * width * sizeof(float));
        for (int64_t r = rows * part / PARTS; r < rows * (part + 1) / PARTS; r++) {
            const float *s = sum + r * width, *d = up1 + r * width;
            float *x = dx + r * width, mean = centre[r], inverse = slope[r], one = 0, two = 0;
            bf16 *m = dmade + r * width;
            if (up2) {
                const bf16 *e = up2 + r * width;
                #pragma omp simd
                for (int64_t i = 0; i < width; i++)
                    x[i] = d[i] + up(e[i]);
            } else
                memcpy(x, d, width * sizeof(float));
            #pragma omp simd reduction(+:one, two)
            for (int64_t i = 0; i < width; i++) {
                float normed = (s[i] - mean) * inverse, g = x[i] * weight[i];
                dw[i] += x[i] * normed;
                ds[i] += x[i];
                one += g;
                two += g * normed;
            }
            one /= width;
            two /= width;
            #pragma omp simd
            for (int64_t i = 0; i < width; i++) {
                float normed = (s[i] - mean) * inverse;
                x[i] = inverse * (x[i] * weight[i] - one - normed * two);
                float g = x[i] * kept((uint32_t)(r * width + i), n);
                db[i] += g;
                m[i] = down(g);
            }
        }
    }
    add_parts(3 * width, parts, 3 * width, dweights);
}

/* The share of a standard normal below x, and its density there: Abramowitz and Stegun, Handbook of Mathematical
   Functions, 7.1.26; off by 1e-7. */
static inline void normal(float x, float *below, float *density)
{
    float e = exponential(-0.5f * x * x), t = 1.0f / (1.0f + 0.3275911f * 0.70710678f * fabsf(x));
    float y = 1.061405429f;
    y = y * t - 1.453152027f;
    y = y * t + 1.421413741f;
    y = y * t - 0.284496736f;
    y = (y * t + 0.254829592f) * t * e * 0.5f;
    *below = x >= 0 ? 1.0f - y : y;
    *density = 0.39894228f * e;
}

/* out = gelu(x + bias), (rows, width) bf16; the bias fp32. */
void gelu(int64_t rows, int64_t width, const bf16 *x, const float *bias, bf16 *out)
{
    #pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        const bf16 *a = x + r * width;
        bf16 *o = out + r * width;
        #pragma omp simd
        for (int64_t i = 0; i < width; i++) {
            float v = up(a[i]) + bias[i], below, density;
            normal(v, &below, &density);
            o[i] = down(v * below);
        }
    }
}

/* Its backward: dx bf16, dbias (width) fp32; `parts` has room for PARTS * width. */
void gelu_back(int64_t rows, int64_t width, const bf16 *x, const float *bias, const bf16 *dout, bf16 *dx, float *dbias,
    float *parts)
{
    #pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < PARTS; part++) {
        float *db = parts + part * width;
        memset(db, 0, width * sizeof(float));
        for (int64_t r = rows * part / PARTS; r < rows * (part + 1) / PARTS; r++) {
            const bf16 *a = x + r * width, *d = dout + r * width;
            bf16 *o = dx + r * width;
            #pragma omp simd
            for (int64_t i = 0; i < width; i++) {
                float v = up(a[i]) + bias[i], below, density;
                normal(v, &below, &density);
                float g = up(d[i]) * (below + v * density);
                db[i] += g;
                o[i] = down(g);
            }
        }
    }
    add_parts(width, parts, width, dbias);
}

/* A vector of 16; a block of TALL rows and two vectors stays in registers. */
typedef float vector __attribute__((vector_size(64), aligned(4)));
#define WIDE 16
#define TALL 8

static inline int64_t whole(int64_t size, int64_t unit) { return (size + unit - 1) / unit * unit; }

/* out (rows, columns) = a b, b (inner, columns): a's entry (i, k) lies at i * row + k * step, so that it may be turned.
   `rows` is a multiple of TALL and `columns` of WIDE. */
static void product(int64_t rows, int64_t inner, int64_t columns, const float *a, int64_t row, int64_t step,
    const float *b, float *out)
{
    for (int64_t i = 0; i < rows; i += TALL) {
        const float *at = a + i * row;
        int64_t j = 0;
        for (; j + 2 * WIDE <= columns; j += 2 * WIDE) {
            vector one[TALL] = {0}, two[TALL] = {0};
            for (int64_t k = 0; k < inner; k++) {
                vector x = *(const vector *)(b + k * columns + j);
                vector y = *(const vector *)(b + k * columns + j + WIDE);
                #pragma GCC unroll 8
                for (int t = 0; t < TALL; t++) {
                    float f = at[t * row + k * step];
                    one[t] += f * x;
                    two[t] += f * y;
                }
            }
            #pragma GCC unroll 8
            for (int t = 0; t < TALL; t++) {
                *(vector *)(out + (i + t) * columns + j) = one[t];
                *(vector *)(out + (i + t) * columns + j + WIDE) = two[t];
            }
        }
        for (; j < columns; j += WIDE) {
            vector one[TALL] = {0};
            for (int64_t k = 0; k < inner; k++) {
                vector x = *(const vector *)(b + k * columns + j);
                #pragma GCC unroll 8
                for (int t = 0; t < TALL; t++)
                    one[t] += at[t * row + k * step] * x;
            }
            #pragma GCC unroll 8
            for (int t = 0; t < TALL; t++)
                *(vector *)(out + (i + t) * columns + j) = one[t];
        }
    }
}

/* `rows` rows of a head and its bias, as fp32, and zeros up to `high`. */
static void gather(int64_t rows, int64_t high, int64_t size, const bf16 *from, int64_t stride, const float *bias,
    float *to)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t c = 0; c < size; c++)
            to[i * size + c] = up(from[i * stride + c]) + (bias ? bias[c] : 0.0f);
    memset(to + rows * size, 0, (high - rows) * size * sizeof(float));
}

static void scatter(int64_t rows, int64_t size, const float *from, bf16 *to, int64_t stride)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t c = 0; c < size; c++)
            to[i * stride + c] = down(from[i * size + c]);
}

static void turn(int64_t rows, int64_t size, const float *from, float *to)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t c = 0; c < size; c++)
            to[c * rows + i] = from[i * size + c];
}

/* What is added to the scores of a row: nothing where it may look, so that e to the rest is nothing. A row that may look
   nowhere looks at all: nobody can ask for what becomes of it. */
static void allow(int64_t tokens, int64_t wide, const uint8_t *mask, float *added)
{
    int64_t seen = 0;
    for (int64_t j = 0; mask && j < tokens; j++)
        seen += mask[j];
    if (!seen)
        mask = 0;
    for (int64_t j = 0; j < wide; j++)
        added[j] = j < tokens && (!mask || mask[j]) ? 0.0f : -1e30f;
}

/* Attention of `asking` queries a row over `tokens` keys and values: `heads` of `size` numbers each, the latter a
   multiple of 16. Queries are rows of `q` that lie `q_stride` apart, keys and values of `k` and `v`, `k_stride` apart;
   biases are fp32; mask (n, tokens) bytes, or null; out (n, asking, heads, size); level (n, heads, asking): the
   logarithm of the sum that softmax divides by. */
void attend(int64_t n, int64_t asking, int64_t tokens, int64_t heads, int64_t size, const bf16 *q, int64_t q_stride,
    const bf16 *k, const bf16 *v, int64_t k_stride, const float *q_bias, const float *k_bias, const float *v_bias,
    const uint8_t *mask, bf16 *out, float *level, float scaling,
    uint32_t threshold, float scale, uint32_t first, uint32_t second)
{
    noise drawn = {threshold, first, second, scale};
    int64_t wide = whole(tokens, WIDE), high = whole(asking, TALL), width = heads * size;
    #pragma omp parallel
    {
        float *room = aligned_alloc(64, whole((2 * high + 3 * wide) * size + high * wide + wide, WIDE) * sizeof(float));
        float *query = room, *key = query + high * size, *turned = key + wide * size, *value = turned + wide * size;
        float *score = value + wide * size, *made = score + high * wide, *added = made + high * size;
        #pragma omp for schedule(static)
        for (int64_t task = 0; task < n * heads; task++) {
            int64_t b = task / heads, h = task % heads * size;
            gather(asking, high, size, q + b * asking * q_stride + h, q_stride, q_bias + h, query);
            gather(tokens, wide, size, k + b * tokens * k_stride + h, k_stride, k_bias + h, key);
            gather(tokens, wide, size, v + b * tokens * k_stride + h, k_stride, v_bias + h, value);
            turn(wide, size, key, turned);
            allow(tokens, wide, mask ? mask + b * tokens : 0, added);
            product(high, size, wide, query, size, 1, turned, score);
            for (int64_t i = 0; i < asking; i++) {
                float *row = score + i * wide, top = -3e38f, sum = 0;
                uint32_t place = (uint32_t)((task * asking + i) * tokens);
                #pragma omp simd reduction(max:top)
                for (int64_t j = 0; j < wide; j++) {
                    row[j] = row[j] * scaling + added[j];
                    top = row[j] > top ? row[j] : top;
                }
                #pragma omp simd reduction(+:sum)
                for (int64_t j = 0; j < wide; j++) {
                    row[j] = exponential(row[j] - top);
                    sum += row[j];
                }
                level[task * asking + i] = top + logf(sum);
                sum = 1.0f / sum;
                #pragma omp simd
                for (int64_t j = 0; j < wide; j++)
                    row[j] *= sum * kept(place + (uint32_t)j, drawn);
            }
            product(high, tokens, size, score, wide, 1, value, made);
            scatter(asking, size, made, out + b * asking * width + h, width);
        }
        free(room);
    }
}

/* Its backward: the slopes of q, k and v, which lie as these do. */
void attend_back(int64_t n, int64_t asking, int64_t tokens, int64_t heads, int64_t size, const bf16 *q,
    int64_t q_stride, const bf16 *k, const bf16 *v, int64_t k_stride, const float *q_bias, const float *k_bias,
    const float *v_bias, const uint8_t *mask, const float *level, const bf16 *dout, bf16 *dq, bf16 *dk, bf16 *dv,
    float scaling, uint32_t threshold, float scale, uint32_t first, uint32_t second)
{
    noise drawn = {threshold, first, second, scale};
    int64_t wide = whole(tokens, WIDE), high = whole(asking, TALL), width = heads * size;
    #pragma omp parallel
    {
        float *room = aligned_alloc(
            64, whole((2 * high + 5 * wide + (high > wide ? high : wide)) * size + 2 * high * wide + wide, WIDE) * sizeof(float));
        float *query = room, *slope = query + high * size, *key = slope + high * size, *value = key + wide * size;
        float *key_turned = value + wide * size, *value_turned = key_turned + wide * size;
        float *score = value_turned + wide * size, *steep = score + high * wide, *added = steep + high * wide;
        float *made = added + wide;
        #pragma omp for schedule(static)
        for (int64_t task = 0; task < n * heads; task++) {
            int64_t b = task / heads, h = task % heads * size;
            int64_t asked = b * asking * q_stride + h, told = b * tokens * k_stride + h;
            gather(asking, high, size, q + asked, q_stride, q_bias + h, query);
            gather(tokens, wide, size, k + told, k_stride, k_bias + h, key);
            gather(tokens, wide, size, v + told, k_stride, v_bias + h, value);
            gather(asking, high, size, dout + b * asking * width + h, width, 0, slope);
            turn(wide, size, key, key_turned);
            turn(wide, size, value, value_turned);
            allow(tokens, wide, mask ? mask + b * tokens : 0, added);
            product(high, size, wide, query, size, 1, key_turned, score);
            product(high, size, wide, slope, size, 1, value_turned, steep);
            for (int64_t i = 0; i < asking; i++) {
                float *share = score + i * wide, *d = steep + i * wide, top = level[task * asking + i], dot = 0;
                uint32_t place = (uint32_t)((task * asking + i) * tokens);
                #pragma omp simd reduction(+:dot)
                for (int64_t j = 0; j < wide; j++) {
                    share[j] = exponential(share[j] * scaling + added[j] - top);
                    d[j] *= kept(place + (uint32_t)j, drawn);
                    dot += d[j] * share[j];
                }
                #pragma omp simd
                for (int64_t j = 0; j < wide; j++) {
                    d[j] = share[j] * (d[j] - dot) * scaling;
                    share[j] *= kept(place + (uint32_t)j, drawn);
                }
            }
            product(high, tokens, size, steep, wide, 1, key, made);
            scatter(asking, size, made, dq + asked, q_stride);
            product(wide, asking, size, steep, 1, wide, query, made);
            scatter(tokens, size, made, dk + told, k_stride);
            product(wide, asking, size, score, 1, wide, slope, made);
            scatter(tokens, size, made, dv + told, k_stride);
        }
        free(room);
    }
}
