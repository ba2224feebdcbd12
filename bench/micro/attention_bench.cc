// facet_attention_bench: attention of one token to a cache, on one core; CSV on standard output.
//   facet_attention_bench [ISA] [CACHE]      ISA and CACHE: only those that match ("" = all)
// Eight rows of queries (heads that share a key head) against a run of positions, as engine/forward_attention.cc takes
// them: scores, softmax and mix, 128 positions at a time.  where: "cache", the same 1024 positions over and over, or
// "memory", 64 MiB of keys and values in turn.  ns are medians per position, of each part and of all; gbps counts keys
// and values once; hash folds the results: a speed-up must not change it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/rng.h"
#include "hash.h"
#include "kernels/registry.h"

namespace {
using namespace facet;
using Clock = std::chrono::steady_clock;

struct Cache {
  const char* name;
  kernels::CacheType type;
};
constexpr Cache kCaches[] = {{"f32", kernels::CacheType::kF32},
                             {"f16", kernels::CacheType::kF16},
                             {"bf16", kernels::CacheType::kBF16},
                             {"i8", kernels::CacheType::kI8},
                             {"q8", kernels::CacheType::kQ8}};
constexpr int kRows = 8, kPositions = 128, kRun = 1024, kMostSize = 512;

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

std::vector<float> normals(std::size_t n, Rng& rng) {
  std::vector<float> out(n);
  for (float& x : out) x = rng.normal();
  return out;
}

void measure(const kernels::Table& table, const Cache& cache, int size, bool streamed) {
  Rng rng(7);
  const std::ptrdiff_t stride = kernels::cache_bytes(cache.type, size);
  const int n_runs = streamed ? static_cast<int>((std::int64_t{32} << 20) / (kRun * stride)) + 1 : 1;
  constexpr float kScale = 0.03f;
  std::vector<std::byte> keys(std::size_t(n_runs) * kRun * stride), values(keys.size());
  for (int p = 0; p < n_runs * kRun; ++p) {
    if (p < kRun) {
      table.store_cache(&keys[p * stride], normals(size, rng).data(), cache.type, kScale, size);
      table.store_cache(&values[p * stride], normals(size, rng).data(), cache.type, kScale, size);
    } else {
      std::memcpy(&keys[p * stride], &keys[(p - kRun) * stride], stride);
      std::memcpy(&values[p * stride], &values[(p - kRun) * stride], stride);
    }
  }
  alignas(64) float q[kRows * kMostSize], out[kRows * kMostSize];
  for (int i = 0; i < kRows * size; ++i) q[i] = 0.1f * rng.normal();
  const float* queries[kRows];
  float* outs[kRows];
  for (int r = 0; r < kRows; ++r) {
    queries[r] = &q[r * size];
    outs[r] = &out[r * size];
  }

  std::vector<double> parts[3], all;
  double spent = 0;
  while (all.size() < 5 || spent < 4e8) {
    const std::size_t at = all.size() % n_runs * kRun * stride;
    float largest[kRows];
    double sums[kRows] = {}, part[3] = {};
    std::fill_n(largest, kRows, -std::numeric_limits<float>::infinity());
    std::fill_n(out, kRows * size, 0.0f);
    float scores[kRows * kPositions];
    auto before = Clock::now();
    auto lap = [&](int i) {
      const auto now = Clock::now();
      part[i] += std::chrono::duration<double, std::nano>(now - before).count();
      before = now;
    };
    for (int p = 0; p < kRun; p += kPositions) {
      table.attend_scores(scores, kPositions, queries, kRows, &keys[at + p * stride], cache.type, stride, kScale,
                          kPositions, size);
      lap(0);
      for (int r = 0; r < kRows; ++r) {
        const float scale = table.softmax_piece(scores + r * kPositions, kPositions, &largest[r], &sums[r]);
        if (scale != 1.0f) table.scale(outs[r], scale, size);
      }
      lap(1);
      table.attend_mix(outs, kRows, scores, kPositions, &values[at + p * stride], cache.type, stride, kScale,
                       kPositions, size);
      lap(2);
    }
    for (int i = 0; i < 3; ++i) parts[i].push_back(part[i] / kRun);
    all.push_back((part[0] + part[1] + part[2]) / kRun);
    spent += all.back() * kRun;
  }
  const double ns = median(all);
  std::printf("%s,%s,%s,%d,%.1f,%.1f,%.1f,%.1f,%.2f,%.2f,%016llx\n", table.name, cache.name,
              streamed ? "memory" : "cache", size, median(parts[0]), median(parts[1]), median(parts[2]), ns,
              2.0 * stride / ns, 2.0 * kRows * size / ns,
              static_cast<unsigned long long>(hash({out, std::size_t(kRows) * size})));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string isa = argc > 1 ? argv[1] : "", only = argc > 2 ? argv[2] : "";
  std::printf("isa,cache,where,size,scores_ns,softmax_ns,mix_ns,ns,gbps,gmacs,hash\n");
  for (const kernels::Table* table : kernels::runnable())
    for (const Cache& cache : kCaches)
      if ((isa.empty() || isa == table->name) && (only.empty() || only == cache.name))
        for (int size : {256, kMostSize})
          for (bool streamed : {false, true}) measure(*table, cache, size, streamed);
  return 0;
}
