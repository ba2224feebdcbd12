#include "text/bpe_train.h"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/documents.h"
#include "text/utf8.h"

namespace facet {
namespace {

constexpr std::string_view kSpace = "\u2581";
constexpr int kLongestSpaceRun = 8;
constexpr std::size_t kMaxSentence = 4000;  // bytes; SentencePiece drops longer lines

// The sentences SentencePiece sees: lines of documents, the long ones cut at a space, only every so many of a long
// text.
class Sentences : public sentencepiece::SentenceIterator {
 public:
  Sentences(std::string_view text, std::size_t max_bytes) {
    std::size_t total = 0;
    for (std::string_view document : split_documents(text)) {
      while (!document.empty()) {
        std::string_view line = document.substr(0, document.find('\n'));
        document.remove_prefix(std::min(document.size(), line.size() + 1));
        for (; !line.empty(); line.remove_prefix(sentences_.back().size())) {
          sentences_.push_back(line.substr(0, cut(line)));
          total += sentences_.back().size();
        }
      }
    }
    if (total > max_bytes) {  // every (total / max_bytes)-th
      std::vector<std::string_view> kept;
      double step = double(total) / double(std::max<std::size_t>(max_bytes, 1));
      for (double at = 0; at < double(sentences_.size()); at += step)
        kept.push_back(sentences_[static_cast<std::size_t>(at)]);
      sentences_ = std::move(kept);
    }
    prepare();
  }
  bool done() const override { return at_ >= sentences_.size(); }
  void Next() override {
    ++at_;
    prepare();
  }
  const std::string& value() const override { return value_; }
  sentencepiece::util::Status status() const override { return {}; }
  bool empty() const { return sentences_.empty(); }

 private:
  static std::size_t cut(std::string_view line) {
    if (line.size() <= kMaxSentence) return line.size();
    std::size_t space = line.rfind(' ', kMaxSentence);
    if (space != line.npos && space > 0) return space;
    std::size_t at = kMaxSentence;
    while (at > 1 && (static_cast<unsigned char>(line[at]) & 0xC0) == 0x80) --at;
    return at;
  }
  // Bytes that are no character, and characters SentencePiece reserves (tab, U+2581, U+2585, NUL), become spaces.
  void prepare() {
    value_.clear();
    if (done()) return;
    std::string_view rest = sentences_[at_];
    while (!rest.empty()) {
      int size = utf8_char_size(rest);
      std::string_view c = rest.substr(0, static_cast<std::size_t>(std::max(size, 1)));
      bool reserved = size == 0 || static_cast<unsigned char>(c[0]) < ' ' || c == kSpace || c == "\u2585";
      value_ += reserved ? " " : c;
      rest.remove_prefix(c.size());
    }
  }

  std::vector<std::string_view> sentences_;
  std::size_t at_ = 0;
  std::string value_;
};

// What SentencePiece makes of the text: merged pieces in the order they were merged, then single characters.
struct Pieces {
  std::vector<std::string> merged, characters;
};

Result<Pieces> find_pieces(std::string_view text, const BpeTrainOptions& options, int n_wanted) {
  Sentences sentences(text, options.max_text_bytes);
  if (sentences.empty()) return invalid_argument("tokenizer training: the text is empty");
  constexpr int kOwnPieces = 257;  // <unk> and 256 bytes
  const std::unordered_map<std::string, std::string> arguments = {
      {"model_type", "bpe"},
      {"vocab_size", std::to_string(n_wanted + kOwnPieces)},
      {"hard_vocab_limit", "false"},
      {"byte_fallback", "true"},
      {"split_digits", "true"},
      {"normalization_rule_name", "identity"},
      {"add_dummy_prefix", "false"},
      {"remove_extra_whitespaces", "false"},
      {"character_coverage", std::to_string(options.character_coverage)},
      {"max_sentence_length", std::to_string(4 * kMaxSentence)},
      {"num_threads", "1"},
      {"unk_id", "0"},
      {"bos_id", "-1"},
      {"eos_id", "-1"},
      {"pad_id", "-1"},
      {"minloglevel", "4"},  // nothing, errors included: they come back as a status
  };
  std::string model;
  sentencepiece::SentencePieceProcessor processor;
  try {
    auto status = sentencepiece::SentencePieceTrainer::Train(arguments, &sentences, &model);
    if (status.ok()) status = processor.LoadFromSerializedProto(model);
    if (!status.ok()) {
      std::string why = status.error_message();
      std::replace(why.begin(), why.end(), '\n', ' ');
      return invalid_argument("tokenizer training: SentencePiece refuses " + std::to_string(options.vocab_size) +
                              " tokens for this text: " + why);
    }
  } catch (const std::exception& e) {
    return internal_error(std::string("tokenizer training: SentencePiece failed: ") + e.what());
  }
  Pieces out;
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    if (processor.IsUnknown(id) || processor.IsControl(id) || processor.IsByte(id)) continue;
    const std::string& piece = processor.IdToPiece(id);
    bool single = utf8_char_size(piece) == static_cast<int>(piece.size());
    (single ? out.characters : out.merged).push_back(piece);
  }
  return out;
}

// Gemma's layout before the trained pieces.
class Layout {
 public:
  Layout() {
    for (const char* piece : {"<pad>", "<eos>", "<bos>", "<unk>", "<mask>"}) add(piece, TokenKind::kControl);
    for (const char* piece : {"<|tool>", "<tool|>"}) add(piece, TokenKind::kControl);
    for (const char* piece : {"<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>", "<|\"|>"})
      add(piece, TokenKind::kUserDefined);
    add("<|think|>", TokenKind::kControl);
    for (const char* piece : {"<|channel>", "<channel|>"}) add(piece, TokenKind::kUserDefined);
    for (const char* piece : {"<|turn>", "<turn|>"}) add(piece, TokenKind::kControl);
    for (unsigned b = 0; b < 256; ++b) {
      char name[8];
      std::snprintf(name, sizeof name, "<0x%02X>", b);
      add(name, TokenKind::kByte);
    }
    for (const char* piece : {"\n", "\n\n"}) add(piece, TokenKind::kNormal);
    add(std::string(kSpace), TokenKind::kNormal);
    std::string run(kSpace);
    for (int n = 2; n <= kLongestSpaceRun; ++n) add(run += kSpace, TokenKind::kNormal);
  }
  // False when the piece exists already.
  bool add(const std::string& piece, TokenKind kind) {
    if (!ids_.emplace(piece, vocabulary_.pieces.size()).second) return false;
    vocabulary_.pieces.push_back(piece);
    vocabulary_.kinds.push_back(kind);
    return true;
  }
  int size() const { return static_cast<int>(vocabulary_.pieces.size()); }
  bool has(const std::string& piece) const { return ids_.contains(piece); }

  // Every way to put `piece` together from two pieces, the earlier ids first, as Hugging Face extracts merges.
  void add_merges(const std::string& piece) {
    struct Split {
      std::size_t left, right, at;
    };
    std::vector<Split> splits;
    for (std::size_t at = 1; at < piece.size(); ++at) {
      auto left = ids_.find(piece.substr(0, at)), right = ids_.find(piece.substr(at));
      if (left != ids_.end() && right != ids_.end()) splits.push_back({left->second, right->second, at});
    }
    std::sort(splits.begin(), splits.end(),
              [](const Split& a, const Split& b) { return a.left != b.left ? a.left < b.left : a.right < b.right; });
    for (const Split& s : splits) vocabulary_.merges.push_back(piece.substr(0, s.at) + " " + piece.substr(s.at));
  }
  Vocabulary take() { return std::move(vocabulary_); }

 private:
  Vocabulary vocabulary_;
  std::unordered_map<std::string, std::size_t> ids_;
};

}  // namespace

Result<Vocabulary> train_bpe(std::string_view text, const BpeTrainOptions& options) {
  Layout layout;
  const int n_fixed = layout.size(), n_wanted = options.vocab_size - n_fixed;
  constexpr int kMaxVocabulary = 1 << 20;
  if (n_wanted < 1 || options.vocab_size > kMaxVocabulary)
    return invalid_argument("tokenizer training: vocabulary size " + std::to_string(options.vocab_size) +
                            ", expected " + std::to_string(n_fixed + 1) + " to " + std::to_string(kMaxVocabulary));
  // A few more than wanted, for those that the layout has already (U+2581).
  FACET_ASSIGN(Pieces pieces, find_pieces(text, options, n_wanted + 16));
  std::erase_if(pieces.characters, [&](const std::string& c) { return layout.has(c); });
  std::erase_if(pieces.merged, [&](const std::string& p) { return layout.has(p); });
  int n_characters = static_cast<int>(pieces.characters.size()), n_merged = n_wanted - n_characters;
  if (n_merged < 0)
    return invalid_argument("tokenizer training: the text has " + std::to_string(n_characters) + " characters and " +
                            std::to_string(n_fixed) + " tokens are fixed: a vocabulary of " +
                            std::to_string(options.vocab_size) + " is too small");
  if (n_merged > static_cast<int>(pieces.merged.size()))
    return invalid_argument("tokenizer training: the text yields only " +
                            std::to_string(n_fixed + n_characters + static_cast<int>(pieces.merged.size())) +
                            " tokens, not " + std::to_string(options.vocab_size) + ": give more text or ask for fewer");
  pieces.merged.resize(static_cast<std::size_t>(n_merged));
  for (const std::string& piece : pieces.merged) layout.add(piece, TokenKind::kNormal);
  for (const std::string& piece : pieces.characters) layout.add(piece, TokenKind::kNormal);
  // Runs first, the longest of all first, as in Gemma's own list; then pieces in the order they were found.
  layout.add_merges("\n\n");
  for (int n = kLongestSpaceRun; n >= 2; --n) {
    std::string run;
    for (int i = 0; i < n; ++i) run += kSpace;
    layout.add_merges(run);
  }
  for (const std::string& piece : pieces.merged) layout.add_merges(piece);
  return layout.take();
}

}  // namespace facet
