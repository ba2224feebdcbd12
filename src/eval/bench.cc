#include "eval/bench.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/hash.h"
#include "base/process.h"
#include "base/rng.h"
#include "engine/plan.h"

namespace facet {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// How memory is read: so many places side by side, asking for what lies so far ahead of each (0: not asking).
struct ReadPattern {
  int n_streams;
  std::size_t words_ahead;
};
// CPUs differ in which of these comes nearest to what the memory gives: on a Zen 3 the second (24 against 18 GB/s of
// the first), on a Sapphire Rapids the last two (38 against 29).
constexpr ReadPattern kPatterns[] = {{1, 0}, {1, 1024}, {4, 0}, {8, 64}};

// Sums 64-bit words, four chains: nothing but loads, and a result that must not be optimized away.
std::uint64_t read_all(const std::uint64_t* p, std::size_t n, const ReadPattern& pattern) {
  std::uint64_t a = 0, b = 0, c = 0, d = 0;
  const std::size_t part = n / static_cast<std::size_t>(pattern.n_streams) / 8 * 8;
  for (std::size_t i = 0; i < part; i += 8)
    for (int s = 0; s < pattern.n_streams; ++s) {
      const std::uint64_t* w = p + static_cast<std::size_t>(s) * part + i;
      if (pattern.words_ahead > 0) __builtin_prefetch(w + pattern.words_ahead);
      a += w[0] + w[1];
      b += w[2] + w[3];
      c += w[4] + w[5];
      d += w[6] + w[7];
    }
  return a + b + c + d;
}

// In the child: bytes per second of the best pattern, 0 when there is no memory.
double measure_streaming(int threads) {
  constexpr std::size_t kBytes = std::size_t{1} << 29, kWords = kBytes / 8;
  constexpr int kPasses = 3;
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 0;
  madvise(memory, kBytes, MADV_HUGEPAGE);
  std::memset(memory, 1, kBytes);
  const auto* words = static_cast<const std::uint64_t*>(memory);
  ThreadPool pool(threads);
  std::vector<std::uint64_t> sums(threads);
  double best = 1e30;
  for (const ReadPattern& pattern : kPatterns)
    for (int pass = 0; pass < kPasses; ++pass) {
      const double start = now();
      pool.parallel_for(threads, 1, [&](std::int64_t begin, std::int64_t end) {
        for (auto i = begin; i < end; ++i) {
          const std::size_t from = kWords * i / threads, to = kWords * (i + 1) / threads;
          sums[i] += read_all(words + from, to - from, pattern);
        }
      });
      best = std::min(best, now() - start);
    }
  std::uint64_t total = 0;
  for (std::uint64_t s : sums) total += s;
  return total == 0 ? 0 : double(kBytes) / best;
}

std::vector<int> random_tokens(Rng& rng, int vocab, int n) {
  std::vector<int> out(static_cast<std::size_t>(n));
  for (int& token : out) token = static_cast<int>(rng.below(static_cast<std::uint32_t>(vocab)));
  return out;
}

// Session and buffers of one run of bench().
class Bench {
 public:
  Bench(Session& session, const BenchOptions& options)
      : session_(session), options_(options), logits_(session.model().config().vocab_size) {}

  Status read_one_token() {
    const int token = session_.model().config().bos_token;
    return evaluate({&token, 1});
  }

  Result<BenchResult> run(const BenchCase& c) {
    BenchResult out{c, {}, 0, 0};
    for (int r = options_.warm_up ? -1 : 0; r < options_.repetitions; ++r) {
      FACET_TRY(go_to_depth(c.depth));
      // The same tokens every time.
      Rng rng(options_.seed, 1);
      const std::vector<int> prompt = random_tokens(rng, vocab(), c.n_prompt),
                             text = random_tokens(rng, vocab(), c.n_generate);
      const double start = now();
      if (!prompt.empty()) FACET_TRY(evaluate(prompt));
      for (int token : text) FACET_TRY(evaluate({&token, 1}));
      if (r >= 0) out.seconds.push_back(now() - start);
      if (options_.progress &&
          !options_.progress(fmt::format("{} {}/{}", name_of(c), std::max(0, r + 1), options_.repetitions)))
        return Status{Code::kCancelled, "interrupted"};
    }
    out.logits_hash = fnv1a(std::as_bytes(std::span(logits_)));
    if (c.n_prompt == 0)
      out.bytes_per_token = weight_bytes_per_token(session_.model()) +
                            cache_bytes_per_token(session_.model(), session_.options(), c.depth + c.n_generate / 2);
    return out;
  }

 private:
  int vocab() const { return session_.model().config().vocab_size; }
  Status evaluate(std::span<const int> tokens) { return session_.evaluate(tokens, Session::Logits::kLast, logits_); }

  Status go_to_depth(int depth) {
    if (depth > 0 && session_.position() >= depth && depth == depth_ &&
        session_.rollback(session_.position() - depth).ok())
      return {};
    session_.reset();
    depth_ = depth;
    Rng rng(options_.seed, 2);
    const std::vector<int> tokens = random_tokens(rng, vocab(), depth);
    for (std::size_t done = 0; done < tokens.size();) {
      const std::size_t n = std::min<std::size_t>(512, tokens.size() - done);
      FACET_TRY(session_.evaluate(std::span(tokens).subspan(done, n), Session::Logits::kNone, {}));
      done += n;
      if (options_.progress && !options_.progress(fmt::format("filling to depth {}: {}", depth, done)))
        return {Code::kCancelled, "interrupted"};
    }
    return {};
  }

  Session& session_;
  const BenchOptions& options_;
  std::vector<float> logits_;
  int depth_ = 0;
};

}  // namespace

std::string name_of(const BenchCase& c) {
  std::string out;
  if (c.n_prompt > 0) out += fmt::format("pp{}", c.n_prompt);
  if (c.n_generate > 0) out += fmt::format("{}tg{}", out.empty() ? "" : "+", c.n_generate);
  if (c.depth > 0) out += fmt::format(" @ d{}", c.depth);
  return out;
}

std::vector<double> BenchResult::tokens_per_second() const {
  std::vector<double> out;
  for (double s : seconds) out.push_back((what.n_prompt + what.n_generate) / s);
  return out;
}

Result<BenchReport> bench(const Model& model, ThreadPool& pool, BenchOptions options) {
  int longest = 1, generated = 0;
  for (const BenchCase& c : options.cases) {
    longest = std::max(longest, c.depth + c.n_prompt + c.n_generate);
    if (c.depth > 0 && c.n_prompt == 0) generated = std::max(generated, c.n_generate);
  }
  if (options.session.context == 0) options.session.context = longest;
  if (longest > options.session.context)
    return invalid_argument(
        fmt::format("a test of {} positions does not fit in a context of {}", longest, options.session.context));
  options.session.max_rollback = std::max(options.session.max_rollback, generated);
  const double start = now();
  FACET_ASSIGN(Session session, Session::create(model, pool, options.session));
  Bench bench(session, options);
  FACET_TRY(bench.read_one_token());
  BenchReport out{session.options(), now() - start, {}};
  for (const BenchCase& c : options.cases) {
    FACET_ASSIGN(BenchResult result, bench.run(c));
    out.results.push_back(std::move(result));
  }
  return out;
}

Result<double> streaming_bandwidth(int threads) {
  return run_in_child<double>([&]() -> Result<double> {
    const double rate = measure_streaming(threads);
    if (rate <= 0) return no_resources("no memory to measure the streaming bandwidth in");
    return rate;
  });
}

}  // namespace facet
