// kernels.h: the trainer's inner loops on the CPU, one table of functions per instruction set.
// The text is written once over vectors (kernels-inl.h); a target file compiles it with its own lane count and flags
// and is entered only through its table.  Plain types, pointers and sizes: nothing inline from std may be compiled with
// wide flags. Rows of matrices are contiguous unless a stride is given; strides count elements.  Nothing here knows
// about threads.
#pragma once

#include <cstddef>
#include <cstdint>

namespace facet::train::cpu {

// What a loss row wants and gets back (loss.cc has the formulas).
struct LossRow {
  float softcap, teacher_softcap;  // 0 = none
  std::int64_t label;
  float ce_scale, kl_scale;         // token weight times mixing weight; both 0: no gradient is written
  double ce, kl;                    // out: nats, unweighted
  std::int64_t best, teacher_best;  // out: first largest logit
};

struct AdamWScalars {
  float beta1, beta2, one_minus_beta1, one_minus_beta2, grad_scale;
  float step_size;    // lr / (1 - beta1^t)
  float inv_sqrt_c2;  // 1 / sqrt(1 - beta2^t)
  float eps, decay;   // decay = 1 - lr * weight_decay
};

// Products of factors rounded to bfloat16 (nearest even), summed in f32: pack_b, pack_a and multiply of Kernels over
// words, each the pair of elements (2p, 2p + 1) along k; an odd k is filled up with a zero.  k counts elements in the
// packing functions and words in multiply.
struct Bf16Products {
  void (*pack_b)(std::int32_t* dst, const float* b, std::ptrdiff_t k_stride, std::ptrdiff_t n_stride, int k,
                 int n) noexcept;
  // k_stride 1: rows of words, one after the other; else strips as in Kernels.
  void (*pack_a)(std::int32_t* dst, const float* a, std::ptrdiff_t m_stride, std::ptrdiff_t k_stride, int m,
                 int k) noexcept;
  void (*multiply)(float* c, std::ptrdiff_t c_row, std::ptrdiff_t c_col, const std::int32_t* a, std::ptrdiff_t a_strip,
                   std::ptrdiff_t a_row, std::ptrdiff_t a_col, const std::int32_t* b, std::ptrdiff_t b_panel, int m,
                   int n, int k, bool accumulate) noexcept;
};

struct Kernels {
  const char* name;  // "baseline" "avx2" "avx512" "avx512_bf16"
  int mr, nr;        // a micro-kernel computes mr rows by nr columns

  // Packs one panel: dst[p * nr + j] = b[p * k_stride + j * n_stride] for p < k, j < n; columns n..nr-1 become 0.
  void (*pack_b)(float* dst, const float* b, std::ptrdiff_t k_stride, std::ptrdiff_t n_stride, int k, int n) noexcept;
  // Packs strips of mr rows: dst[(i / mr) * mr * k + p * mr + i % mr] = a[i * m_stride + p * k_stride]; missing rows
  // are 0.
  void (*pack_a)(float* dst, const float* a, std::ptrdiff_t m_stride, std::ptrdiff_t k_stride, int m, int k) noexcept;
  // c[i, j] = or += sum over p of A[i, p] B[p, j], i < m, j < n.  Strip s of mr rows of A starts at a + s * a_strip;
  // its element (i, p) lies at i * a_row + p * a_col, one of which is 1.  Panel q of nr columns of B starts at b + q *
  // b_panel. Element (i, j) of c lies at i * c_row + j * c_col; c_col other than 1 costs a little more per tile. Each
  // element of c is summed over p in order: how m and n are cut into calls changes no bit.
  void (*multiply)(float* c, std::ptrdiff_t c_row, std::ptrdiff_t c_col, const float* a, std::ptrdiff_t a_strip,
                   std::ptrdiff_t a_row, std::ptrdiff_t a_col, const float* b, std::ptrdiff_t b_panel, int m, int n,
                   int k, bool accumulate) noexcept;

  // y = (residual + x * inv_rms * w) * scale for `rows` rows of n; w, residual may be null; inv_rms: [rows], out.
  void (*rms_norm)(float* y, float* inv_rms, const float* x, const float* w, const float* residual, float scale, int n,
                   std::ptrdiff_t rows, float eps) noexcept;
  // dw: [n], added to, or null.  dscale: added to, or null (then residual is not read).  dx may be g.
  void (*rms_norm_backward)(float* dx, float* dw, double* dscale, const float* g, const float* x, const float* w,
                            const float* inv_rms, const float* residual, float scale, int n,
                            std::ptrdiff_t rows) noexcept;
  // Rotates the pairs (i, i + half) of `heads` vectors of 2 * half; sign +1 forward, -1 back.  y may be x.
  void (*rope)(float* y, const float* x, const float* cos, const float* sin, float sign, int half, int heads) noexcept;
  void (*gelu_mul)(float* y, const float* gate, const float* up, std::ptrdiff_t n) noexcept;
  // dgate may be gate, dup may be up.
  void (*gelu_mul_backward)(float* dgate, float* dup, const float* g, const float* gate, const float* up,
                            std::ptrdiff_t n) noexcept;

  // Rows of attention scores: row r sees columns [begin + r, end + r) cut to [0, n); the rest becomes 0.
  // In place: probabilities; log_sum: [rows], the log of the sum of exponentials, out.
  void (*softmax)(float* s, std::ptrdiff_t s_row, float* log_sum, int begin, int end, int n, int rows) noexcept;
  // In place: exp(s - log_sum), the same columns.
  void (*softmax_again)(float* s, std::ptrdiff_t s_row, const float* log_sum, int begin, int end, int n,
                        int rows) noexcept;
  // dp = p * (dp - sum over i of g_i y_i), rows of n; g, y: rows of size c with stride g_row.
  void (*softmax_backward)(float* dp, const float* p, std::ptrdiff_t s_row, const float* g, const float* y,
                           std::ptrdiff_t g_row, int c, int n, int rows) noexcept;

  // z: raw student logits [n]; zt: raw teacher logits or null.  Fills the out fields; where a gradient is wanted z
  // becomes d loss / d (raw logit).
  void (*loss_row)(float* z, float* zt, std::int64_t n, LossRow* row) noexcept;

  void (*adamw)(float* w, const float* g, float* m, float* v, std::ptrdiff_t n, const AdamWScalars* s) noexcept;
  double (*sum_squares)(const float* x, std::ptrdiff_t n) noexcept;
  void (*add)(float* y, const float* x, std::ptrdiff_t n) noexcept;  // y += x

  const Bf16Products* bf16;  // null: no such instruction
};

// The widest target this CPU and OS can run; FACET_ISA ("ref" = baseline, "avx2", "avx512_vnni" = avx512
// without bf16) narrows the choice.
const Kernels& kernels();

// Every target this machine can run, narrowest first; returns how many.
constexpr int kMaxTargets = 4;
int runnable_kernels(const Kernels* out[kMaxTargets]);

extern const Kernels kBaseline;
#if defined(__x86_64__)
extern const Kernels kAvx2;
extern const Kernels kAvx512;
extern const Kernels kAvx512Bf16;
#endif

}  // namespace facet::train::cpu
