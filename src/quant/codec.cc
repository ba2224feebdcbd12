#include "quant/codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/check.h"
#include "quant/blocks.h"
#include "quant/ggml_blocks.h"
#include "quant/q4_0.h"
#include "quant/q4_k.h"
#include "quant/q6_k.h"
#include "quant/q8_0.h"
#include "quant/row_int.h"

namespace facet {
namespace {

// Largest f32 values that round to a finite 16-bit float.
constexpr float kF16Max = 65519.99609375f;
const float kBF16Max = std::bit_cast<float>(0x7f7f7fffu);

// Bytes of a file may lie at any address; a copy of one element or block costs nothing.
template <typename T>
T load(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

template <typename T>
void decode_floats(const std::byte* bytes, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = to_float(load<T>(bytes + i * sizeof(T)));
}

template <typename Block>
void decode_blocks(const std::byte* bytes, std::span<float> out) {
  for (std::size_t b = 0; b < out.size() / Block::kWeights; ++b) {
    const Block block = load<Block>(bytes + b * sizeof(Block));
    decode_row(std::span(&block, 1), out.subspan(b * Block::kWeights, Block::kWeights));
  }
}

template <typename T, typename Convert>
void encode_floats(std::span<const float> values, std::byte* bytes, Convert convert) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const T v = convert(values[i]);
    std::memcpy(bytes + i * sizeof(T), &v, sizeof(T));
  }
}

template <typename Block>
std::span<Block> blocks_of(Tensor& t) {
  return {reinterpret_cast<Block*>(t.bytes.data()), t.bytes.size() / sizeof(Block)};
}

Status check_shape(DType type, const Shape& shape, std::size_t n_values) {
  const std::string what = std::string(info(type).name) + " tensor " + to_string(shape) + ": ";
  if (element_count(shape) != static_cast<std::int64_t>(n_values))
    return invalid_argument(what + std::to_string(n_values) + " values given");
  if (!row_bytes(type, shape.empty() ? 1 : shape.back()))
    return invalid_argument(what + "rows must be a multiple of " + std::to_string(info(type).block) +
                            "; choose another type for this tensor");
  return {};
}

}  // namespace

void decode_rows(const TensorView& t, std::int64_t row, std::int64_t n, std::span<float> out) {
  const std::int64_t cols = t.cols();
  const std::size_t stride = *row_bytes(t.dtype, cols);
  FACET_CHECK(row >= 0 && n >= 0 && row + n <= t.rows(), "rows inside the tensor");
  FACET_CHECK(out.size() == static_cast<std::size_t>(n * cols), "n * cols floats");
  FACET_CHECK(t.bytes.size() >= static_cast<std::size_t>(t.rows()) * stride, "a view holds all its rows");
  const std::byte* bytes = t.bytes.data() + row * stride;
  if (out.empty()) return;
  switch (t.dtype) {
    case DType::kF32:
      std::memcpy(out.data(), bytes, out.size_bytes());
      return;
    case DType::kF16:
      return decode_floats<Half>(bytes, out);
    case DType::kBF16:
      return decode_floats<BFloat16>(bytes, out);
    case DType::kQ8_0:
      return decode_blocks<Q8_0Block>(bytes, out);
    case DType::kQ4_0:
      return decode_blocks<Q4_0Block>(bytes, out);
    case DType::kQ4_K:
      return decode_blocks<Q4_KBlock>(bytes, out);
    case DType::kQ6_K:
      return decode_blocks<Q6_KBlock>(bytes, out);
    case DType::kQ4_1:
      return decode_blocks<Q4_1Block>(bytes, out);
    case DType::kQ5_0:
      return decode_blocks<Q5_0Block>(bytes, out);
    case DType::kQ5_1:
      return decode_blocks<Q5_1Block>(bytes, out);
    case DType::kQ2_K:
      return decode_blocks<Q2_KBlock>(bytes, out);
    case DType::kQ3_K:
      return decode_blocks<Q3_KBlock>(bytes, out);
    case DType::kQ5_K:
      return decode_blocks<Q5_KBlock>(bytes, out);
    case DType::kI8Row:
    case DType::kI4Row:
    case DType::kI2Row:
      break;
  }
  const std::int64_t groups = t.groups();
  FACET_CHECK(groups > 0 && cols % groups == 0, "row types carry scales, groups of equal size");
  const std::int64_t group = cols / groups;
  const int bits = bits_of(t.dtype);
  // In pieces of whole bytes on the stack: the engine gathers embedding rows and must not allocate.
  std::array<std::int8_t, 512> codes;
  const auto piece = static_cast<std::int64_t>(codes.size());
  for (std::int64_t r = 0; r < n; ++r) {
    for (std::int64_t first = 0; first < cols; first += piece) {
      const std::int64_t end = std::min(cols, first + piece);
      const std::size_t packed = ((end - first) * bits + 7) / 8;
      unpack_codes({bytes + r * stride + first * bits / 8, packed}, bits, std::span(codes).first(end - first));
      for (std::int64_t c = first, next; c < end; c = next) {
        next = std::min(end, (c / group + 1) * group);
        dequantize_group(std::span(codes).subspan(c - first, next - c), t.row_scales[(row + r) * groups + c / group],
                         out.subspan(r * cols + c, next - c));
      }
    }
  }
}

Tensor decode(const TensorView& tensor) {
  Tensor out = Tensor::zeros(DType::kF32, tensor.shape);
  decode_rows(tensor, 0, tensor.rows(), out.floats());
  return out;
}

Result<Tensor> encode(DType type, const Shape& shape, std::span<const float> values) {
  FACET_TRY(check_shape(type, shape, values.size()));
  if (has_row_scales(type))
    return invalid_argument(std::string(info(type).name) + ": needs row scales; use encode_rows");
  if (is_read_only(type)) return unsupported(std::string(info(type).name) + ": is read, not written");
  const float limit = type == DType::kF16 ? kF16Max : type == DType::kBF16 ? kBF16Max : kMaxFinite;
  FACET_TRY(check_block_weights(values, limit, info(type).name.data()));
  Tensor out = Tensor::zeros(type, shape);
  switch (type) {
    case DType::kF32:
      encode_floats<float>(values, out.bytes.data(), [](float v) { return v; });
      break;
    case DType::kF16:
      encode_floats<Half>(values, out.bytes.data(), to_half);
      break;
    case DType::kBF16:
      encode_floats<BFloat16>(values, out.bytes.data(), to_bfloat16);
      break;
    case DType::kQ8_0:
      FACET_TRY(encode_row(values, blocks_of<Q8_0Block>(out)));
      break;
    case DType::kQ4_K:
      FACET_TRY(encode_row(values, blocks_of<Q4_KBlock>(out)));
      break;
    case DType::kQ6_K:
      FACET_TRY(encode_row(values, blocks_of<Q6_KBlock>(out)));
      break;
    default:
      FACET_TRY(encode_row(values, blocks_of<Q4_0Block>(out)));
      break;
  }
  return out;
}

Result<Tensor> encode_rows(DType type, const Shape& shape, std::span<const float> values,
                           std::span<const float> row_scales) {
  FACET_TRY(check_shape(type, shape, values.size()));
  const std::string what = std::string(info(type).name) + " tensor " + to_string(shape) + ": ";
  if (!has_row_scales(type)) return invalid_argument(what + "this type has no row scales; use encode");
  FACET_TRY(check_block_weights(values, kMaxFinite, info(type).name.data()));
  Tensor out = Tensor::zeros(type, shape);
  const std::int64_t cols = out.view().cols(), rows = out.view().rows();
  const std::int64_t groups = rows == 0 ? 0 : static_cast<std::int64_t>(row_scales.size()) / rows;
  if (static_cast<std::int64_t>(row_scales.size()) != groups * rows ||
      (rows > 0 && (groups == 0 || cols % groups != 0)))
    return invalid_argument(what + std::to_string(row_scales.size()) +
                            " scales given; expected the same number for each row, dividing the row evenly");
  for (std::size_t i = 0; i < row_scales.size(); ++i)
    if (!(row_scales[i] > 0.0f && row_scales[i] <= kMaxFinite))
      return corrupt(what + "scale " + std::to_string(i) + " is " + std::to_string(row_scales[i]) +
                     "; scales must be positive and finite");
  const int bits = bits_of(type);
  const std::size_t stride = *row_bytes(type, cols), group = groups == 0 ? 0 : cols / groups;
  std::vector<std::int8_t> codes(cols);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t g = 0; g < groups; ++g)
      quantize_group(values.subspan(r * cols + g * group, group), row_scales[r * groups + g], bits,
                     std::span(codes).subspan(g * group, group));
    pack_codes(codes, bits, std::span(out.bytes).subspan(r * stride, stride));
  }
  out.row_scales.assign(row_scales.begin(), row_scales.end());
  return out;
}

Result<Tensor> encode_q4_0_with_scales(const Shape& shape, std::span<const float> values,
                                       std::span<const float> scales) {
  FACET_TRY(check_shape(DType::kQ4_0, shape, values.size()));
  Tensor out = Tensor::zeros(DType::kQ4_0, shape);
  FACET_TRY(encode_row_with_scales(values, scales, blocks_of<Q4_0Block>(out)));
  return out;
}

int bits_of(DType row_type) {
  FACET_CHECK(has_row_scales(row_type), "a row type of the mobile format");
  return row_type == DType::kI8Row ? 8 : row_type == DType::kI4Row ? 4 : 2;
}

DType row_type_of_bits(int bits) {
  FACET_CHECK(bits == 2 || bits == 4 || bits == 8, "2, 4 or 8 bits");
  return bits == 8 ? DType::kI8Row : bits == 4 ? DType::kI4Row : DType::kI2Row;
}

}  // namespace facet
