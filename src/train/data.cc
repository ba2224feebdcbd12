#include "train/data.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/check.h"
#include "base/mapped_file.h"
#include "base/rng.h"
#include "base/thread_pool.h"
#include "text/documents.h"
#include "train/loss.h"

namespace facet::train {
namespace {

// Streams of the counter-based generator; the epoch or round is in the low bits.
constexpr std::uint64_t kOrderStream = std::uint64_t{0x0d} << 56;
constexpr std::uint64_t kCalibrationStream = std::uint64_t{0xca} << 56;

}  // namespace

TokenStream tokenize(std::string_view text, const Tokenizer& tokenizer, int threads) {
  std::vector<std::string_view> documents = split_documents(text);
  std::vector<std::vector<int>> ids(documents.size());
  ThreadPool pool(threads);
  pool.parallel_for(static_cast<std::int64_t>(documents.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) ids[i] = tokenizer.encode(documents[i]);
  });
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  TokenStream stream;
  stream.bos = vocabulary.bos;
  std::size_t n = 0;
  for (const auto& document : ids) n += document.size() + 2;
  stream.ids.reserve(n);
  for (const auto& document : ids) {
    stream.ids.push_back(vocabulary.bos);
    stream.ids.insert(stream.ids.end(), document.begin(), document.end());
    stream.ids.push_back(vocabulary.eos);
  }
  return stream;
}

Result<TokenStream> load_tokens(const std::string& path, const Tokenizer& tokenizer, int threads) {
  FACET_ASSIGN(MappedFile file, MappedFile::open(path));
  std::span<const std::byte> bytes = file.bytes();
  if (!path.ends_with(".u32"))
    return tokenize({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, tokenizer, threads);
  if (bytes.size() % 4 != 0)
    return invalid_argument(path + ": " + std::to_string(bytes.size()) +
                            " bytes is no whole number of 4-byte token ids (is it text? then rename it)");
  TokenStream stream;
  stream.bos = tokenizer.vocabulary().bos;
  stream.ids.resize(bytes.size() / 4);
  std::memcpy(stream.ids.data(), bytes.data(), bytes.size());
  for (std::size_t i = 0; i < stream.ids.size(); ++i)
    if (stream.ids[i] < 0 || stream.ids[i] >= tokenizer.vocab_size())
      return invalid_argument(path + ": token " + std::to_string(i) + " is " +
                              std::to_string(static_cast<std::uint32_t>(stream.ids[i])) + ", the vocabulary has " +
                              std::to_string(tokenizer.vocab_size()) + " (made with another tokenizer?)");
  return stream;
}

std::string identity(const TokenStream& stream) {
  std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a, a word at a time
  for (std::int32_t id : stream.ids) hash = (hash ^ static_cast<std::uint32_t>(id)) * 0x100000001b3u;
  return std::to_string(stream.ids.size()) + " tokens, hash " + std::to_string(hash);
}

Result<Windows> Windows::create(const TokenStream& stream, int context, bool window_bos, std::uint64_t seed,
                                const std::string& name) {
  auto n_tokens = static_cast<std::int64_t>(stream.n_tokens());
  // A window covers `context` labels, and one token more when its input is not led by a <bos> of its own.
  std::int64_t whole = (n_tokens - (window_bos ? 0 : 1)) / context;
  if (whole < 1)
    return invalid_argument(name + ": " + std::to_string(n_tokens) + " tokens are fewer than one context of " +
                            std::to_string(context + (window_bos ? 0 : 1)) + "; give more text or a smaller context");
  Windows windows;
  windows.stream_ = &stream;
  windows.context_ = context;
  windows.window_bos_ = window_bos;
  windows.seed_ = seed;
  windows.n_validation_ = whole;
  // One window is given up so that an epoch's offset can be anything below a whole context.
  windows.per_epoch_ = std::max<std::int64_t>(1, whole - 1);
  windows.slack_ = std::min<std::int64_t>(context, n_tokens - (window_bos ? 0 : 1) - windows.per_epoch_ * context + 1);
  return windows;
}

std::int64_t Windows::start_of(std::int64_t i) {
  std::int64_t epoch = i / per_epoch_;
  if (epoch != epoch_) {
    Rng rng(seed_, kOrderStream | static_cast<std::uint64_t>(epoch));
    offset_ = rng.below(static_cast<std::uint32_t>(slack_));
    permutation_.resize(static_cast<std::size_t>(per_epoch_));
    std::iota(permutation_.begin(), permutation_.end(), 0u);
    for (std::size_t j = permutation_.size(); j > 1; --j)
      std::swap(permutation_[j - 1], permutation_[rng.below(static_cast<std::uint32_t>(j))]);
    epoch_ = epoch;
  }
  return offset_ + std::int64_t{permutation_[static_cast<std::size_t>(i % per_epoch_)]} * context_;
}

Batch Windows::cut(std::span<const std::int64_t> starts) const {
  auto rows = static_cast<std::int64_t>(starts.size());
  Batch batch;
  batch.tokens = torch::empty({rows, context_}, torch::kInt64);
  batch.labels = torch::empty({rows, context_}, torch::kInt64);
  auto* tokens = batch.tokens.data_ptr<std::int64_t>();
  auto* labels = batch.labels.data_ptr<std::int64_t>();
  for (std::int64_t start : starts) {
    // label[t] is token first_label + t.
    std::int64_t first_label = start + (window_bos_ ? 0 : 1);
    const std::int32_t* ids = stream_->ids.data() + first_label;
    for (int t = 0; t < context_; ++t) {
      tokens[t] = t == 0 && window_bos_ ? stream_->bos : ids[t - 1];
      labels[t] = ids[t] == stream_->bos ? kNoLabel : ids[t];
      batch.n_labels += labels[t] != kNoLabel;
    }
    tokens += context_;
    labels += context_;
  }
  return batch;
}

Batch Windows::training(std::int64_t first, std::int64_t n) {
  std::vector<std::int64_t> starts;
  for (std::int64_t i = first; i < first + n; ++i) starts.push_back(start_of(i));
  return cut(starts);
}

Batch Windows::validation(std::int64_t first, std::int64_t n, std::int64_t total) const {
  FACET_CHECK(total >= 1 && total <= n_validation_ && first + n <= total, "validation windows out of range");
  std::vector<std::int64_t> starts;
  for (std::int64_t i = first; i < first + n; ++i) starts.push_back(i * n_validation_ / total * context_);
  return cut(starts);
}

Batch Windows::calibration(std::int64_t round, std::int64_t first, std::int64_t n) const {
  std::vector<std::int64_t> starts;
  for (std::int64_t i = first; i < first + n; ++i) {
    Rng rng(seed_, kCalibrationStream | static_cast<std::uint64_t>(round));
    rng.seek(static_cast<std::uint64_t>(i));
    starts.push_back(std::int64_t{rng.below(static_cast<std::uint32_t>(per_epoch_))} * context_);
  }
  return cut(starts);
}

}  // namespace facet::train
