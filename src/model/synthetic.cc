#include "model/synthetic.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "base/half.h"
#include "base/hash.h"
#include "base/rng.h"
#include "model/drafter.h"
#include "model/random_weights.h"
#include "quant/codec.h"
#include "quant/q4_0.h"
#include "quant/q4_k.h"
#include "quant/q6_k.h"
#include "quant/q8_0.h"

namespace facet {
namespace {

// Where P(normal < x) = p, by halving: these tables are made once.
double normal_quantile(double p) {
  double low = -8, high = 8;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
  }
  return low;
}

// 2^kBits equally likely values of a standard normal variable.
template <int kBits>
std::vector<float> normal_values() {
  std::vector<float> out(std::size_t{1} << kBits);
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<float>(normal_quantile((double(i) + 0.5) / double(out.size())));
  return out;
}

// A random byte -> the code of a weight: normal numbers of this deviation, in steps, rounded and clamped to `bits`.
struct CodeTable {
  std::array<std::int8_t, 256> codes;
  double deviation = 0;  // of the codes themselves

  CodeTable(double steps, int bits) {
    const int most = (1 << (bits - 1)) - 1;
    double squares = 0;
    for (int i = 0; i < 256; ++i) {
      const auto code = static_cast<int>(std::lround(steps * normal_quantile((i + 0.5) / 256)));
      codes[i] = static_cast<std::int8_t>(std::clamp(code, -most - 1, most));
      squares += codes[i] * codes[i];
    }
    deviation = std::sqrt(squares / 256);
  }
};

const CodeTable& code_table(DType type) {
  static const CodeTable i2(0.9, 2), i4(3.0, 4), i8(40.0, 8), q4_0(3.4, 4), q8_0(45.0, 8), q4_k(3.4, 4), q6_k(12.0, 6);
  switch (type) {
    case DType::kI2Row:
      return i2;
    case DType::kI4Row:
      return i4;
    case DType::kI8Row:
      return i8;
    case DType::kQ4_0:
      return q4_0;
    case DType::kQ4_K:
      return q4_k;
    case DType::kQ6_K:
      return q6_k;
    default:
      return q8_0;
  }
}

// Draws bytes four at a time.
class Bytes {
 public:
  explicit Bytes(Rng& rng) : rng_(rng) {}
  std::uint8_t next() {
    if (n_ == 0) {
      word_ = rng_.next_u32();
      n_ = 4;
    }
    --n_;
    const auto byte = static_cast<std::uint8_t>(word_);
    word_ >>= 8;
    return byte;
  }

 private:
  Rng& rng_;
  std::uint32_t word_ = 0;
  int n_ = 0;
};

float vary(float value, Rng& rng) { return value * (0.8f + 0.4f * rng.uniform()); }

// One row of `cols` weights of deviation sigma.  Row types: codes only.
void draw_row(DType type, std::int64_t cols, float sigma, Rng& rng, std::byte* out) {
  Bytes bytes(rng);
  switch (type) {
    case DType::kQ4_0: {
      const CodeTable& table = code_table(type);
      for (std::int64_t b = 0; b < cols / Q4_0Block::kWeights; ++b) {
        Q4_0Block block;
        block.scale = to_half(vary(sigma / static_cast<float>(table.deviation), rng));
        for (std::uint8_t& pair : block.codes) {
          const int low = table.codes[bytes.next()] + 8, high = table.codes[bytes.next()] + 8;
          pair = static_cast<std::uint8_t>(low | high << 4);
        }
        std::memcpy(out + b * sizeof block, &block, sizeof block);
      }
      return;
    }
    case DType::kQ8_0: {
      const CodeTable& table = code_table(type);
      for (std::int64_t b = 0; b < cols / Q8_0Block::kWeights; ++b) {
        Q8_0Block block;
        block.scale = to_half(vary(sigma / static_cast<float>(table.deviation), rng));
        for (std::int8_t& code : block.codes) code = table.codes[bytes.next()];
        std::memcpy(out + b * sizeof block, &block, sizeof block);
      }
      return;
    }
    case DType::kQ4_K: {
      const CodeTable& table = code_table(type);
      constexpr int kSteps = 50;  // of the block's scale in a group's, about
      for (std::int64_t b = 0; b < cols / Q4_KBlock::kWeights; ++b) {
        Q4_KBlock block{};
        std::array<std::uint8_t, Q4_KBlock::kWeights> codes;
        for (std::uint8_t& code : codes) code = static_cast<std::uint8_t>(table.codes[bytes.next()] + 8);
        pack_codes(codes, block);
        block.scale = to_half(sigma / static_cast<float>(table.deviation) / kSteps);
        block.min_unit = to_half(8 * to_float(block.scale));  // with scales for minima: weights around 0
        for (int g = 0; g < Q4_KBlock::kGroups; ++g) {
          const auto scale = static_cast<std::uint8_t>(vary(kSteps, rng));
          set_group(block, g, {scale, scale});
        }
        std::memcpy(out + b * sizeof block, &block, sizeof block);
      }
      return;
    }
    case DType::kQ6_K: {
      const CodeTable& table = code_table(type);
      constexpr int kSteps = 100;  // of the block's scale in a group's, about
      for (std::int64_t b = 0; b < cols / Q6_KBlock::kWeights; ++b) {
        Q6_KBlock block;
        std::array<std::uint8_t, Q6_KBlock::kWeights> codes;
        for (std::uint8_t& code : codes) code = static_cast<std::uint8_t>(table.codes[bytes.next()] + 32);
        pack_codes(codes, block);
        block.scale = to_half(sigma / static_cast<float>(table.deviation) / kSteps);
        for (std::int8_t& scale : block.scales) scale = static_cast<std::int8_t>(vary(kSteps, rng));
        std::memcpy(out + b * sizeof block, &block, sizeof block);
      }
      return;
    }
    case DType::kI8Row:
    case DType::kI4Row:
    case DType::kI2Row: {
      const CodeTable& table = code_table(type);
      const int bits = bits_of(type), per_byte = 8 / bits, offset = bits == 8 ? 0 : 1 << (bits - 1);
      for (std::int64_t c = 0; c < cols; c += per_byte) {
        unsigned packed = 0;
        for (int i = 0; i < per_byte; ++i)
          packed |= static_cast<unsigned>((table.codes[bytes.next()] + offset) & ((1 << bits) - 1)) << (i * bits);
        *out++ = static_cast<std::byte>(packed);
      }
      return;
    }
    default:
      break;
  }
  static const std::vector<float> normals = normal_values<12>();
  for (std::int64_t c = 0; c < cols; c += 2) {
    const std::uint32_t word = rng.next_u32();
    for (int i = 0; i < 2 && c + i < cols; ++i) {
      const float v = sigma * normals[word >> (16 * i) & 4095];
      std::byte* at = out + (c + i) * info(type).block_bytes;
      if (type == DType::kBF16) {
        const BFloat16 narrow = to_bfloat16(v);
        std::memcpy(at, &narrow, sizeof narrow);
      } else if (type == DType::kF16) {
        const Half narrow = to_half(v);
        std::memcpy(at, &narrow, sizeof narrow);
      } else {
        std::memcpy(at, &v, sizeof v);
      }
    }
  }
}

// Streams of random numbers: each tensor has two, numbered by its name, for the matrix and for what belongs to it.
std::uint64_t stream_of(const TensorSpec& spec) {
  return fnv1a(std::as_bytes(std::span(spec.name))) & ~std::uint64_t{1};
}

// More draws than any row takes, so that rows can be drawn in any order.
std::uint64_t draws_per_row(std::int64_t cols) { return static_cast<std::uint64_t>(cols + cols / 16 + 64); }

Tensor draw_vector(const TensorSpec& spec, std::uint64_t seed) {
  Rng rng(seed, stream_of(spec));
  const Distribution d = distribution_of(spec);
  Tensor t = Tensor::zeros(DType::kF32, spec.shape);
  for (float& v : t.floats()) v = (d.mean + d.deviation * rng.normal()) * calming_factor(spec);
  return t;
}

// Half as much again as five deviations of a normed activation.
constexpr float kActivationScale = 0.06f;

}  // namespace

Result<Synthetic> Synthetic::create(const GemmaConfig& config, const Scheme& scheme, DType float_type,
                                    std::uint64_t seed, std::optional<DType> table_type) {
  FACET_TRY(config.validate());
  FACET_TRY(check_rules(scheme, config));
  Synthetic out;
  out.seed_ = seed;
  Checkpoint& c = out.outline_;
  c.config = config;
  for (const TensorSpec& spec : tensor_specs(config)) {
    if (!spec.is_matrix || spec.role == Role::kRouter) {
      c.set(spec.name, draw_vector(spec, seed));
      continue;
    }
    TensorView view;
    FACET_ASSIGN(view.dtype, dtype_for(scheme, config, spec, float_type));
    if (table_type && (spec.role == Role::kEmbedding || spec.role == Role::kHead || spec.role == Role::kPleTable))
      view.dtype = *table_type;
    if (table_type && spec.role == Role::kPleModelProj) view.dtype = float_type;
    view.shape = spec.shape;
    if (!row_bytes(view.dtype, view.cols()))
      return invalid_argument(
          fmt::format("{}: rows of {} weights do not fit {}", spec.name, view.cols(), info(view.dtype).name));
    if (has_row_scales(view.dtype)) {
      const auto step = static_cast<float>(distribution_of(spec).deviation / code_table(view.dtype).deviation);
      auto scales = std::make_shared<std::vector<float>>(view.rows() * scale_groups(config, spec));
      Rng rng(seed, stream_of(spec) + 1);
      for (float& s : *scales) s = vary(step, rng);
      view.row_scales = *scales;
      c.owners.push_back(std::move(scales));
      if (is_linear(spec.role)) c.activation_scales[module_name(spec)] = {kActivationScale, kActivationScale};
    }
    c.tensors[spec.name] = std::move(view);
  }
  c.token_ordering = random_token_ordering(config, seed);
  if (!c.activation_scales.empty()) c.cache_scales.assign(config.n_layers(), {kActivationScale, kActivationScale});
  c.metadata["facet.scheme"] = std::string(name_of(scheme.kind));
  c.metadata["facet.synthetic"] = fmt::format("random weights, seed {}", seed);
  return out;
}

TensorStream Synthetic::stream(ThreadPool& pool) const {
  return [this, &pool](const TensorSpec& spec, const ByteSink& write) -> Status {
    const TensorView& view = outline_.tensors.at(spec.name);
    const std::int64_t rows = view.rows(), cols = view.cols();
    const auto stride = static_cast<std::int64_t>(*row_bytes(view.dtype, cols));
    const std::int64_t piece = std::clamp<std::int64_t>((std::int64_t{16} << 20) / stride, 1, rows);
    const float sigma = distribution_of(spec).deviation;
    std::vector<std::byte> bytes(static_cast<std::size_t>(piece * stride));
    for (std::int64_t first = 0; first < rows; first += piece) {
      const std::int64_t n = std::min(piece, rows - first);
      pool.parallel_for(n, 1, [&](std::int64_t begin, std::int64_t end) {
        Rng rng(seed_, stream_of(spec));
        for (std::int64_t r = begin; r < end; ++r) {
          rng.seek(static_cast<std::uint64_t>(first + r) * draws_per_row(cols));
          draw_row(view.dtype, cols, sigma, rng, bytes.data() + r * stride);
        }
      });
      FACET_TRY(write(std::span(bytes).first(static_cast<std::size_t>(n * stride))));
    }
    return {};
  };
}

Tokenizer placeholder_tokenizer(int vocab_size) {
  Vocabulary v;
  auto add = [&](std::string piece, TokenKind kind) {
    v.pieces.push_back(std::move(piece));
    v.kinds.push_back(kind);
  };
  for (const char* piece : {"<pad>", "<eos>", "<bos>", "<unk>", "<mask>"}) add(piece, TokenKind::kControl);
  for (unsigned b = 0; b < 256; ++b) add(fmt::format("<0x{:02X}>", b), TokenKind::kByte);
  add("\u2581", TokenKind::kNormal);
  add("\n", TokenKind::kNormal);
  for (char c = '!'; c <= '~'; ++c) add(std::string(1, c), TokenKind::kNormal);
  v.merges.push_back("t h");
  add("th", TokenKind::kNormal);
  FACET_CHECK(static_cast<int>(v.pieces.size()) <= vocab_size, "a vocabulary has room for these");
  for (int i = 0; static_cast<int>(v.pieces.size()) < vocab_size; ++i)
    add(fmt::format("<unused{}>", i), TokenKind::kNormal);
  return *Tokenizer::create(std::move(v));
}

}  // namespace facet
