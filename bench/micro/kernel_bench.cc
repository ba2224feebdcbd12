// facet_kernel_bench: every matrix product of every runnable table on the shapes of a file; CSV on standard output.
//   facet_kernel_bench [SHAPES.txt] [ISA] [OP]      ISA and OP: only those that match ("" = all)
// ns is the median of repetitions, best the shortest: on a busy machine the median tells of its neighbours.
// where: "cache", the same matrix over and over, or "memory" (one token only), so many copies of it in turn that none
// is still in a cache: what decoding sees, on one core. gbps counts the weights' bytes once; gops = 2 m n k / median.
// hash folds the results: a speed-up must not change it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/half.h"
#include "base/rng.h"
#include "hash.h"
#include "kernels/registry.h"
#include "tensor/dtype.h"

namespace {
using namespace facet;

struct Op {
  const char* name;
  DType lhs, rhs;  // kI8Row of the left side: int8 codes
  kernels::Matmul kernels::Table::*plain = nullptr;
  kernels::MatmulRows kernels::Table::*rows = nullptr;
};
using T = kernels::Table;
constexpr Op kOps[] = {
    {"f32_f32", DType::kF32, DType::kF32, &T::matmul_f32_f32},
    {"f32_f16", DType::kF32, DType::kF16, &T::matmul_f32_f16},
    {"f32_bf16", DType::kF32, DType::kBF16, &T::matmul_f32_bf16},
    {"f32_q8_0", DType::kF32, DType::kQ8_0, &T::matmul_f32_q8_0},
    {"f32_q4_0", DType::kF32, DType::kQ4_0, &T::matmul_f32_q4_0},
    {"f32_q4_k", DType::kF32, DType::kQ4_K, &T::matmul_f32_q4_k},
    {"f32_q6_k", DType::kF32, DType::kQ6_K, &T::matmul_f32_q6_k},
    {"f32_i8", DType::kF32, DType::kI8Row, nullptr, &T::matmul_f32_i8},
    {"f32_i4", DType::kF32, DType::kI4Row, nullptr, &T::matmul_f32_i4},
    {"f32_i2", DType::kF32, DType::kI2Row, nullptr, &T::matmul_f32_i2},
    {"q8_q8_0", DType::kQ8_0, DType::kQ8_0, &T::matmul_q8_q8_0},
    {"q8_q4_0", DType::kQ8_0, DType::kQ4_0, &T::matmul_q8_q4_0},
    {"q8_q4_k", DType::kQ8_0, DType::kQ4_K, &T::matmul_q8_q4_k},
    {"q8_q6_k", DType::kQ8_0, DType::kQ6_K, &T::matmul_q8_q6_k},
    {"i8_i8", DType::kI8Row, DType::kI8Row, nullptr, &T::matmul_i8_i8},
    {"i8_i4", DType::kI8Row, DType::kI4Row, nullptr, &T::matmul_i8_i4},
    {"i8_i2", DType::kI8Row, DType::kI2Row, nullptr, &T::matmul_i8_i2},
};

std::vector<std::byte> random_matrix(DType type, int rows, int cols, Rng& rng) {
  std::vector<std::byte> bytes(rows * *row_bytes(type, cols));
  for (std::byte& b : bytes) b = static_cast<std::byte>(rng.below(256));
  auto put = [&](std::size_t at, auto v) { std::memcpy(&bytes[at], &v, sizeof(v)); };
  for (std::size_t i = 0; is_float(type) && i < bytes.size(); i += info(type).block_bytes) {
    if (type == DType::kF32) put(i, rng.normal());
    if (type == DType::kF16) put(i, to_half(rng.normal()));
    if (type == DType::kBF16) put(i, to_bfloat16(rng.normal()));
  }
  const int scale_at = type == DType::kQ6_K ? info(type).block_bytes - 2 : 0;
  for (std::size_t i = 0; info(type).block >= 32 && i < bytes.size(); i += info(type).block_bytes)
    put(i + scale_at, to_half(0.01f * rng.normal()));
  for (std::size_t i = 2; type == DType::kQ4_K && i < bytes.size(); i += info(type).block_bytes)
    put(i, to_half(0.01f * rng.normal()));  // the minima's unit
  return bytes;
}

void measure(const kernels::Table& table, const Op& op, const std::string& shape, int m, int n, int k, bool streamed) {
  if (k % std::max(info(op.lhs).block, info(op.rhs).block) != 0) return;
  Rng rng(7);
  constexpr std::size_t kBeyondCaches = std::size_t{256} << 20;
  const std::vector<std::byte> x = random_matrix(op.lhs, m, k, rng), one = random_matrix(op.rhs, n, k, rng);
  const std::size_t n_copies = streamed ? kBeyondCaches / one.size() + 1 : 1;
  std::vector<std::byte> copies;
  copies.reserve(n_copies * one.size());
  for (std::size_t i = 0; i < n_copies; ++i) copies.insert(copies.end(), one.begin(), one.end());
  const std::vector<float> scales(n, 0.01f);
  std::vector<float> y(static_cast<std::size_t>(m) * n);
  std::vector<double> ns;
  double spent = 0;
  while (ns.size() < 5 || (spent < 5e7 && ns.size() < 500)) {  // at least 5 runs, else 50 ms
    const std::byte* w = copies.data() + ns.size() % n_copies * one.size();
    const auto start = std::chrono::steady_clock::now();
    if (op.plain != nullptr)
      (table.*op.plain)(y.data(), n, x.data(), w, m, 0, n, k);
    else
      (table.*op.rows)(y.data(), n, x.data(), w, scales.data(), 0.02f, m, 0, n, k);
    ns.push_back(std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count());
    spent += ns.back();
  }
  std::sort(ns.begin(), ns.end());
  const double median = ns[ns.size() / 2];
  std::printf("%s,%s,%s,%s,%d,%d,%d,%.0f,%.0f,%.2f,%.2f,%016llx\n", table.name, op.name, shape.c_str(),
              streamed ? "memory" : "cache", m, n, k, median, ns.front(), static_cast<double>(one.size()) / median,
              2.0 * m * n * k / median, static_cast<unsigned long long>(hash(y)));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string path = argc > 1 ? argv[1] : FACET_SOURCE_DIR "/bench/shapes/small_8m.txt";
  const std::string isa = argc > 2 ? argv[2] : "", only = argc > 3 ? argv[3] : "";
  std::ifstream file(path);
  if (!file) {
    std::fprintf(stderr, "facet_kernel_bench: %s: cannot be read; give a file of bench/shapes\n", path.c_str());
    return 3;
  }
  std::printf("isa,op,shape,where,m,n,k,ns,best_ns,gbps,gops,hash\n");
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    std::string name;
    int n = 0, k = 0;
    if (!(fields >> name >> n >> k) || n < 1 || k < 1) {
      std::fprintf(stderr, "facet_kernel_bench: %s:%d: '%s', expected: name n k\n", path.c_str(), number, line.c_str());
      return 3;
    }
    for (const kernels::Table* table : kernels::runnable())
      for (const Op& op : kOps)
        if ((isa.empty() || isa == table->name) && (only.empty() || only == op.name)) {
          for (int m : {1, 4, 16, 256}) measure(*table, op, name, m, n, k, false);
          measure(*table, op, name, 1, n, k, true);
        }
  }
  return 0;
}
