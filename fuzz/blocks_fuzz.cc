// Any bytes as rows of weights and activations, through every decoder and every matrix product on every instruction
// set: nothing crashes or reads beyond its operands, and all sets agree with ref as docs/kernels/numerics.md states.
//
// An input is five bytes that choose an op and its sizes (see Problem), then the operands; where it ends too soon,
// pseudo-random bytes go on.
#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/rng.h"
#include "kernels/tested_tables.h"
#include "quant/codec.h"
#include "tensor/tensor.h"

namespace facet::kernels {
namespace {

enum class Lhs { kF32, kQ8, kI8 };
struct Op {
  const char* name;
  Lhs lhs;
  DType rhs;
  Matmul Table::*plain = nullptr;
  MatmulRows Table::*rows = nullptr;
};
constexpr Op kOps[] = {
    {"matmul_f32_f32", Lhs::kF32, DType::kF32, &Table::matmul_f32_f32},
    {"matmul_f32_f16", Lhs::kF32, DType::kF16, &Table::matmul_f32_f16},
    {"matmul_f32_bf16", Lhs::kF32, DType::kBF16, &Table::matmul_f32_bf16},
    {"matmul_f32_q8_0", Lhs::kF32, DType::kQ8_0, &Table::matmul_f32_q8_0},
    {"matmul_f32_q4_0", Lhs::kF32, DType::kQ4_0, &Table::matmul_f32_q4_0},
    {"matmul_f32_q4_k", Lhs::kF32, DType::kQ4_K, &Table::matmul_f32_q4_k},
    {"matmul_f32_q6_k", Lhs::kF32, DType::kQ6_K, &Table::matmul_f32_q6_k},
    {"matmul_f32_i8", Lhs::kF32, DType::kI8Row, nullptr, &Table::matmul_f32_i8},
    {"matmul_f32_i4", Lhs::kF32, DType::kI4Row, nullptr, &Table::matmul_f32_i4},
    {"matmul_f32_i2", Lhs::kF32, DType::kI2Row, nullptr, &Table::matmul_f32_i2},
    {"matmul_q8_q8_0", Lhs::kQ8, DType::kQ8_0, &Table::matmul_q8_q8_0},
    {"matmul_q8_q4_0", Lhs::kQ8, DType::kQ4_0, &Table::matmul_q8_q4_0},
    {"matmul_q8_q4_k", Lhs::kQ8, DType::kQ4_K, &Table::matmul_q8_q4_k},
    {"matmul_q8_q6_k", Lhs::kQ8, DType::kQ6_K, &Table::matmul_q8_q6_k},
    {"matmul_i8_i8", Lhs::kI8, DType::kI8Row, nullptr, &Table::matmul_i8_i8},
    {"matmul_i8_i4", Lhs::kI8, DType::kI4Row, nullptr, &Table::matmul_i8_i4},
    {"matmul_i8_i2", Lhs::kI8, DType::kI2Row, nullptr, &Table::matmul_i8_i2},
    // Decoded only: they have no product of their own.
    {"q4_1", Lhs::kF32, DType::kQ4_1},
    {"q5_0", Lhs::kF32, DType::kQ5_0},
    {"q5_1", Lhs::kF32, DType::kQ5_1},
    {"q2_k", Lhs::kF32, DType::kQ2_K},
    {"q3_k", Lhs::kF32, DType::kQ3_K},
    {"q5_k", Lhs::kF32, DType::kQ5_K},
};
constexpr int kNOps = static_cast<int>(std::size(kOps));

const std::vector<const Table*>& tables() {
  static const std::vector<const Table*> all = tested_tables();
  return all;
}

[[noreturn]] void differ(const char* what, const char* table, double got, double want) {
  std::fprintf(stderr, "%s on %s: %.9g, want %.9g\n", what, table, got, want);
  std::abort();
}

// The same bits, or both no number: which NaN comes out is nobody's promise.
bool same(float a, float b) { return std::memcmp(&a, &b, sizeof a) == 0 || (std::isnan(a) && std::isnan(b)); }
void expect_same(const char* what, const char* table, std::span<const float> got, std::span<const float> want) {
  for (std::size_t i = 0; i < want.size(); ++i)
    if (!same(got[i], want[i])) differ(what, table, got[i], want[i]);
}

// The bytes of an input, and random ones behind them.
class Source {
 public:
  explicit Source(std::span<const std::uint8_t> bytes) : bytes_(bytes), rng_(bytes.size()) {}
  std::uint8_t next() {
    if (at_ < bytes_.size()) return bytes_[at_++];
    return static_cast<std::uint8_t>(rng_.next_u32());
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
  Rng rng_;
};

// Bytes that end where their allocation ends, so that the address sanitizer sees a read past the end, and begin a few
// elements after it begins: aligned for an element and for nothing more.
class Operand {
 public:
  Operand(std::size_t size_bytes, std::size_t offset_bytes)
      : size_(size_bytes), offset_(offset_bytes), all_(new std::uint8_t[offset_bytes + size_bytes]()) {}
  std::uint8_t* data() { return all_.get() + offset_; }
  const std::uint8_t* data() const { return all_.get() + offset_; }
  std::size_t size() const { return size_; }
  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(data(), size_)); }
  std::span<float> floats() { return {reinterpret_cast<float*>(data()), size_ / sizeof(float)}; }
  std::span<const float> floats() const { return {reinterpret_cast<const float*>(data()), size_ / sizeof(float)}; }

 private:
  std::size_t size_, offset_;
  std::unique_ptr<std::uint8_t[]> all_;
};
std::size_t alignment_of(DType type) {
  if (has_row_scales(type)) return 1;
  return type == DType::kF32 ? 4 : 2;
}

class Problem {
 public:
  explicit Problem(Source& source)
      : op_(kOps[source.next() % kNOps]),
        flags_(source.next()),
        m_(1 + source.next() % 5),
        n_(1 + source.next() % 19),
        k_(columns(source.next())),
        shift_(static_cast<std::size_t>(flags_ >> 6)),
        w_(n_ * *row_bytes(op_.rhs, k_), shift_ * alignment_of(op_.rhs)),
        x_(m_ * *row_bytes(x_type(), k_), shift_ * alignment_of(x_type())),
        row_scales_(n_ * sizeof(float), shift_ * sizeof(float)) {
    fill(source);
  }

  void check() {
    check_decoders();
    if (!has_product()) return;
    const std::vector<float> want = run(kRef, m_, n_);
    for (const Table* table : tables()) {
      check_quantizers(*table);
      const std::vector<float> got = run(*table, m_, n_);
      if (op_.lhs == Lhs::kF32)
        check_floats(*table, got);
      else
        expect_same(op_.name, table->name, got, want);
      // A result depends on its row of x and its row of w alone.
      expect_same("pieces", table->name, run(*table, m_ / 2, n_ / 3), got);
    }
  }

 private:
  enum Flag { kTameX = 1, kTameScales = 2, kQuantizedX = 4, kStrangeX = 8 };  // and the two highest bits: shift_

  bool has_product() const { return op_.plain != nullptr || op_.rows != nullptr; }
  int columns(int byte) const {
    const int block = info(op_.rhs).block;
    if (block >= 32) return block * (1 + byte % (block == 32 ? 21 : 5));
    return 1 + byte * 3;
  }
  DType x_type() const {
    return op_.lhs == Lhs::kF32 ? DType::kF32 : op_.lhs == Lhs::kQ8 ? DType::kQ8_0 : DType::kI8Row;
  }
  static float any_float(Source& source) {
    std::uint32_t bits = 0;
    for (int i = 0; i < 4; ++i) bits = bits << 8 | source.next();
    float f;
    std::memcpy(&f, &bits, sizeof f);
    return f;
  }
  static float tame_float(Source& source) { return (static_cast<float>(source.next()) - 127.5f) / 32.0f; }

  void fill(Source& source) {
    x_scale_ = flags_ & kTameScales ? 0.037f : any_float(source);
    for (float& s : row_scales_.floats()) s = flags_ & kTameScales ? tame_float(source) : any_float(source);
    for (std::size_t i = 0; i < w_.size(); ++i) w_.data()[i] = source.next();
    if (flags_ & kTameScales) tame_scales();
    floats_.resize(static_cast<std::size_t>(m_) * k_);
    for (float& v : floats_) v = flags_ & kTameX ? tame_float(source) : any_float(source);
    if (flags_ & kStrangeX) floats_[source.next() % floats_.size()] = any_float(source);
    if (op_.lhs == Lhs::kF32) {
      std::copy(floats_.begin(), floats_.end(), x_.floats().begin());
    } else if (op_.lhs == Lhs::kQ8 && flags_ & kQuantizedX) {
      kRef.quantize_q8(reinterpret_cast<Q8_0Block*>(x_.data()), floats_.data(), m_ * k_);
    } else {
      for (std::size_t i = 0; i < x_.size(); ++i) x_.data()[i] = source.next();
    }
  }

  // The exponents of stored floats and scales around 1, so that sums mean something.
  void tame_scales() {
    auto tame_half = [](std::uint8_t* half) { half[1] = static_cast<std::uint8_t>((half[1] & 0x83) | 0x34); };
    const std::size_t block = static_cast<std::size_t>(info(op_.rhs).block_bytes);
    for (std::uint8_t* w = w_.data(); w != w_.data() + w_.size(); w += block) {
      switch (op_.rhs) {
        case DType::kF32:
          w[3] = static_cast<std::uint8_t>((w[3] & 0x80) | 0x3f);
          break;
        case DType::kBF16:
          w[1] = static_cast<std::uint8_t>((w[1] & 0x80) | 0x3f);
          break;
        case DType::kQ4_K:
          tame_half(w + 2);
          [[fallthrough]];
        case DType::kF16:
        case DType::kQ8_0:
        case DType::kQ4_0:
          tame_half(w);
          break;
        case DType::kQ6_K:  // its scale is at the end
          tame_half(w + block - 2);
          break;
        default:
          break;
      }
    }
  }

  // The product, cut into four pieces at token t and row r.
  std::vector<float> run(const Table& table, int t, int r) const {
    std::vector<float> y(static_cast<std::size_t>(m_) * n_);
    for (auto [t0, t1] : {std::pair(0, t), {t, m_}})
      for (auto [r0, r1] : {std::pair(0, r), {r, n_}}) {
        float* out = y.data() + static_cast<std::ptrdiff_t>(t0) * n_;
        const std::uint8_t* x = x_.data() + t0 * *row_bytes(x_type(), k_);
        if (op_.plain != nullptr)
          (table.*op_.plain)(out, n_, x, w_.data(), t1 - t0, r0, r1, k_);
        else
          (table.*op_.rows)(out, n_, x, w_.data(), row_scales_.floats().data(), x_scale_, t1 - t0, r0, r1, k_);
      }
    return y;
  }

  TensorView view(std::span<const std::byte> bytes, std::span<const float> scales) const {
    return {op_.rhs, {n_, k_}, bytes, has_row_scales(op_.rhs) ? scales : std::span<const float>()};
  }
  // Rows one by one, and at an odd address, are those of the whole; and what ref's products see.
  void check_decoders() {
    const std::vector<float> ones(static_cast<std::size_t>(n_), 1.0f);
    decoded_.resize(static_cast<std::size_t>(n_) * k_);
    std::vector<float> again(decoded_.size());
    decode_rows(view(w_.bytes(), row_scales_.floats()), 0, n_, decoded_);
    for (int r = 0; r < n_; ++r)
      decode_row(view(w_.bytes(), row_scales_.floats()), r,
                 std::span(again).subspan(static_cast<std::size_t>(r) * k_, k_));
    expect_same("decode_row", "quant", again, decoded_);
    std::vector<std::byte> odd(w_.size() + 1);
    std::copy(w_.bytes().begin(), w_.bytes().end(), odd.begin() + 1);
    decode_rows(view(std::span(odd).subspan(1), row_scales_.floats()), 0, n_, again);
    expect_same("decode_rows at an odd address", "quant", again, decoded_);
    if (op_.lhs == Lhs::kF32 && has_product()) check_columns();
    if (has_row_scales(op_.rhs)) decode_rows(view(w_.bytes(), ones), 0, n_, decoded_);  // as the products see them
  }
  void check_columns() const {
    const int column = k_ / 2;
    std::vector<float> unit(static_cast<std::size_t>(k_)), y(static_cast<std::size_t>(n_));
    unit[static_cast<std::size_t>(column)] = 1.0f;
    if (op_.plain != nullptr)
      (kRef.*op_.plain)(y.data(), n_, unit.data(), w_.data(), 1, 0, n_, k_);
    else
      (kRef.*op_.rows)(y.data(), n_, unit.data(), w_.data(), row_scales_.floats().data(), 1.0f, 1, 0, n_, k_);
    for (int r = 0; r < n_; ++r) {
      const auto row = std::span(decoded_).subspan(static_cast<std::size_t>(r) * k_, k_);
      if (!std::all_of(row.begin(), row.end(), [](float v) { return std::isfinite(v); })) continue;
      if (y[r] != row[column]) differ("a column of ref", op_.name, y[r], row[column]);
    }
  }

  void check_quantizers(const Table& table) const {
    const int n = m_ * k_ / 32;
    std::vector<Q8_0Block> got(n), want(n);
    table.quantize_q8(got.data(), floats_.data(), n * 32);
    kRef.quantize_q8(want.data(), floats_.data(), n * 32);
    for (int b = 0; b < n; ++b)
      if (!same(to_float(got[b].scale), to_float(want[b].scale)) ||
          std::memcmp(got[b].codes, want[b].codes, sizeof want[b].codes) != 0)
        differ("quantize_q8", table.name, to_float(got[b].scale), to_float(want[b].scale));
    const float s = std::fabs(x_scale_);
    if (!(s > 0) || !std::isfinite(s)) return;
    std::vector<std::int8_t> codes(floats_.size()), wanted(floats_.size());
    table.quantize_static_i8(codes.data(), floats_.data(), s, static_cast<std::ptrdiff_t>(codes.size()));
    kRef.quantize_static_i8(wanted.data(), floats_.data(), s, static_cast<std::ptrdiff_t>(wanted.size()));
    for (std::size_t i = 0; i < codes.size(); ++i)
      if (codes[i] != wanted[i]) differ("quantize_static_i8", table.name, codes[i], wanted[i]);
  }

  // The bounds of numerics.md, "Matrix products", for activations in floats.
  void check_floats(const Table& table, const std::vector<float>& y) const {
    constexpr double kU = 0x1p-24, kTiny = 0x1p-149;
    for (int t = 0; t < m_; ++t)
      for (int r = 0; r < n_; ++r) {
        double sum = 0, magnitude = 0, largest = 0, weights = 0;
        for (int i = 0; i < k_; ++i) {
          const double w = decoded_[static_cast<std::size_t>(r) * k_ + i],
                       x = floats_[static_cast<std::size_t>(t) * k_ + i];
          sum += w * x;
          if (std::isfinite(w * x)) magnitude += std::fabs(w * x);
          largest = std::max(largest, std::fabs(x));  // where it is no number, so is the sum
          weights += std::fabs(w);
        }
        const float got = y[static_cast<std::size_t>(t) * n_ + r];
        const double scale = op_.rows != nullptr ? double(row_scales_.floats()[r] * x_scale_) : 1.0;
        // Near the end of f32 the order of a sum decides whether it gets there.
        if (!std::isfinite(scale) || magnitude > 0x1p126) continue;
        if (!std::isfinite(sum)) {
          if (std::isfinite(got) && scale != 0) differ(op_.name, table.name, got, sum);
          continue;
        }
        double bound = (k_ / 8 + 8) * kU * magnitude;
        if (op_.rhs == DType::kI4Row || op_.rhs == DType::kI2Row)  // by digits
          bound = std::max(bound, 4 * kU * std::fabs(sum) + 2.5 * kU * largest * weights);
        bound = (bound + (k_ + 8) * kTiny) * std::fabs(scale) + kTiny;
        if (std::fabs(sum * scale) + bound > FLT_MAX) continue;
        if (!(std::fabs(got - sum * scale) <= bound)) differ(op_.name, table.name, got, sum * scale);
      }
  }

  const Op& op_;
  const int flags_, m_, n_, k_;
  const std::size_t shift_;
  Operand w_, x_, row_scales_;
  float x_scale_ = 1.0f;
  std::vector<float> floats_;   // activations before quantization
  std::vector<float> decoded_;  // weights; row types without their scales
};

}  // namespace
}  // namespace facet::kernels

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  facet::kernels::Source source({data, size});
  facet::kernels::Problem(source).check();
  return 0;
}
