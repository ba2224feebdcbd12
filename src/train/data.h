// data.h: text -> tokens -> training windows, in an order that is a pure function of (seed, index).
#pragma once

#include "train/torch.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "facet/status.h"
#include "text/tokenizer.h"

namespace facet::train {

// One long row of ids.  Documents are laid end to end, each as <bos> text <eos>.
struct TokenStream {
  std::vector<std::int32_t> ids;
  std::int32_t bos = 2;
  std::size_t n_tokens() const { return ids.size(); }
};

// Splits into documents (text/documents.h) and tokenizes them on `threads` threads.
TokenStream tokenize(std::string_view text, const Tokenizer& tokenizer, int threads);
// A text file, or little-endian uint32 ids when the name ends in ".u32" (taken as they are).  kInvalidArgument: an id
// of vocab_size or more.
Result<TokenStream> load_tokens(const std::string& path, const Tokenizer& tokenizer, int threads);

// The count and a hash of the ids: equal for equal streams.
std::string identity(const TokenStream& stream);

// Windows of a batch, rows in index order.  Labels are the next tokens; kNoLabel where the next token is <bos>: no
// text predicts that another document begins.
struct Batch {
  torch::Tensor tokens, labels;  // int64 [B, T]
  std::int64_t n_labels = 0;     // that are not ignored
};

// Cuts a stream into windows of `context` tokens.
//   Windows windows = *Windows::create(stream, 256, /*window_bos=*/true, seed, "train.txt");
//   Batch batch = windows.training(first_index, 8);
// Training window i lies in epoch i / per_epoch(); an epoch is a permutation of windows that do not overlap, all
// shifted by an offset of the epoch's own.  With window_bos, a window's input is <bos> and the context-1 tokens before
// its last label, so that every window starts as a prompt does; otherwise it is context tokens and the label is one to
// the right. Immutable but for a cached permutation: one thread at a time.  `stream` must outlive this.
class Windows {
 public:
  // kInvalidArgument when the stream is shorter than one window, with both numbers; `name` is for that message.
  static Result<Windows> create(const TokenStream& stream, int context, bool window_bos, std::uint64_t seed,
                                const std::string& name);
  std::int64_t per_epoch() const { return per_epoch_; }
  Batch training(std::int64_t first, std::int64_t n);
  // Windows in text order without shift: the i-th of `total`, spread evenly.  total <= n_validation().
  std::int64_t n_validation() const { return n_validation_; }
  Batch validation(std::int64_t first, std::int64_t n, std::int64_t total) const;
  // Windows for calibration: `round` picks a fresh set of training windows.
  Batch calibration(std::int64_t round, std::int64_t first, std::int64_t n) const;
  // Where training window i starts in the stream (tests).
  std::int64_t start_of(std::int64_t i);

 private:
  Windows() = default;
  Batch cut(std::span<const std::int64_t> starts) const;
  const TokenStream* stream_ = nullptr;
  int context_ = 0;
  bool window_bos_ = true;
  std::uint64_t seed_ = 0;
  std::int64_t per_epoch_ = 0, n_validation_ = 0, slack_ = 0;
  std::int64_t epoch_ = -1, offset_ = 0;
  std::vector<std::uint32_t> permutation_;
};

}  // namespace facet::train
