// kernels_testing.h: what the tests of the kernels share.  Tests only.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/rng.h"
#include "kernels/tested_tables.h"

namespace facet::kernels {

class OnEachTable : public testing::TestWithParam<const Table*> {
 protected:
  const Table& table() const { return *GetParam(); }
};
inline std::string table_name(const testing::TestParamInfo<const Table*>& info) {
  std::string name = info.param->name;
  std::erase_if(name, [](char c) { return c != '_' && !std::isalnum(static_cast<unsigned char>(c)); });
  return name;
}
#define FACET_ON_EACH_TABLE(Suite) INSTANTIATE_TEST_SUITE_P(Isa, Suite, testing::ValuesIn(tested_tables()), table_name)

// n elements that end where readable memory ends, and begin where it begins if n fills whole pages: reading beyond the
// last byte is a fault, with or without a sanitizer.  Zero-filled.
template <typename T>
class Guarded {
 public:
  explicit Guarded(std::size_t n) : n_(n) {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    mapped_ = (n * sizeof(T) + page - 1) / page * page + page;
    base_ = static_cast<std::byte*>(mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    FACET_CHECK(base_ != MAP_FAILED, "no memory for a test");
    FACET_CHECK(mprotect(base_ + mapped_ - page, page, PROT_NONE) == 0, "mprotect");
    data_ = reinterpret_cast<T*>(base_ + mapped_ - page - n * sizeof(T));
  }
  Guarded(const std::vector<T>& v) : Guarded(v.size()) {  // NOLINT: implicit on purpose
    for (std::size_t i = 0; i < n_; ++i) data_[i] = v[i];
  }
  Guarded(const Guarded&) = delete;
  ~Guarded() { munmap(base_, mapped_); }
  T* data() const { return data_; }
  std::size_t size() const { return n_; }
  T& operator[](std::size_t i) const { return data_[i]; }
  std::vector<T> copy() const { return std::vector<T>(data_, data_ + n_); }

 private:
  std::size_t n_, mapped_;
  std::byte* base_;
  T* data_;
};

inline std::vector<float> normals(std::size_t n, std::uint64_t seed, float scale = 1.0f) {
  Rng rng(seed);
  std::vector<float> v(n);
  for (float& x : v) x = rng.normal() * scale;
  return v;
}

// Rounding unit of f32.
inline constexpr double kU = 0x1p-24;

}  // namespace facet::kernels
