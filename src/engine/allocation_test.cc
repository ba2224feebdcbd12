// After creation a session allocates nothing: every operator new of this binary is counted.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "engine/engine_testing.h"
#include "engine/sampler.h"

namespace {
std::atomic<long> allocations{0};

void* counted(std::size_t n) {
  ++allocations;
  if (void* p = std::malloc(n == 0 ? 1 : n)) return p;
  throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t n) { return counted(n); }
void* operator new[](std::size_t n) { return counted(n); }
// The nothrow forms too: std::stable_sort asks for its buffer by them, and gives it back by the delete below.
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(n == 0 ? 1 : n);
}
void* operator new[](std::size_t n, const std::nothrow_t& tag) noexcept { return operator new(n, tag); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

namespace facet {
namespace {

using namespace facet::engine_test;

TEST(Allocation, EvaluatingAndSamplingAllocateNothing) {
  FACET_FOR_EACH_TINY(tiny, 32) {
    const std::vector<int> tokens = random_tokens(tiny.config, 100);
    const std::size_t vocab = tiny.config.vocab_size;
    const Checkpoint checkpoint = calm_random_checkpoint(tiny.config, 1);
    std::vector<float> logits(70 * vocab);
    for (const Checkpoint& c : {checkpoint, encoded(checkpoint, DType::kQ4_0), mobile(checkpoint, tokens)}) {
      const Model model = *Model::bind(c);
      FACET_FOR_EACH_ISA(kernels) {
        ThreadPool pool(2);
        Session session = *Session::create(model, pool, {.max_batch = 64, .max_rollback = 4}, *kernels);
        Sampler sampler = *Sampler::create({.repeat_penalty = 1.1f}, tiny.config.vocab_size);
        const std::span<float> last = std::span(logits).first(vocab);
        const long before = allocations.load();
        const bool ok = session.evaluate(std::span(tokens).first(70), Session::Logits::kAll, logits).ok() &&
                        session.evaluate(std::span(tokens).last(29), Session::Logits::kNone, {}).ok() &&
                        session.rollback(4).ok() &&
                        session.evaluate(std::span(tokens).last(1), Session::Logits::kLast, last).ok();
        const int token = *sampler.sample(last, tokens, 3);
        const long after = allocations.load();
        EXPECT_TRUE(ok);
        EXPECT_GE(token, 0);
        EXPECT_EQ(after - before, 0);
      }
    }
  }
}

}  // namespace
}  // namespace facet
