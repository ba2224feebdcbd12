#include "text/tokenizer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <bitset>
#include <cstring>
#include <functional>

#include "base/printable.h"
#include "text/bpe.h"
#include "text/utf8.h"

namespace facet {
namespace {

constexpr std::string_view kSpace = "\u2581";
constexpr std::size_t kMaxPiece =
    4096;  // Gemma's longest has 93 bytes; a bound keeps hostile vocabularies cheap to match

bool is_added(TokenKind kind) {
  return kind == TokenKind::kControl || kind == TokenKind::kUnknown || kind == TokenKind::kUserDefined;
}
bool is_printed(TokenKind kind) { return kind != TokenKind::kControl && kind != TokenKind::kUnknown; }
// Merges that touch other kinds are ignored: text alone must never turn into a control token or a byte.
bool may_merge(TokenKind kind) { return kind == TokenKind::kNormal || kind == TokenKind::kUserDefined; }

// The value of "<0x41>", or -1.
int byte_value(std::string_view piece) {
  if (piece.size() != 6 || piece.substr(0, 3) != "<0x" || piece[5] != '>') return -1;
  auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  int high = digit(piece[3]), low = digit(piece[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// A piece for an error message.
std::string shown(std::string_view piece) { return "'" + printable(piece) + "'"; }

// Which two characters meet at the seam of some merge.  What merging makes is a character, or left and right of a
// merge; so two that stand side by side inside it are a seam of one.  Where two that never are meet in a text, no merge
// can reach across: the text is cut there without changing the result, and the short stretches between cuts repeat.
// All characters outside ASCII count as one; U+2581 counts as a space, which is the same to the encoder.
class Adjacency {
 public:
  static constexpr unsigned kOther = 128;
  static unsigned class_of(std::string_view at) {
    auto c = static_cast<unsigned char>(at[0]);
    return c < 128 ? c : at.starts_with(kSpace) ? unsigned{' '} : kOther;
  }
  // Of a merge; the insides of left and right are single characters or merges of their own.
  void add_seam(std::string_view left, std::string_view right) {
    std::size_t last = left.size() - 1;
    while (last > 0 && (static_cast<unsigned char>(left[last]) & 0xC0) == 0x80) --last;
    seen_[class_of(left.substr(last)) * 129 + class_of(right)] = true;
  }
  bool may_join(unsigned left, unsigned right) const { return seen_[left * 129 + right]; }

 private:
  std::bitset<129 * 129> seen_;
};

}  // namespace

struct Tokenizer::Table {
  Vocabulary vocabulary;
  PieceIndex index;
  MergeTable merges;
  Adjacency adjacency;
  std::array<std::int32_t, 128> ascii;     // the piece of a one-byte character (' ': of U+2581), or -1
  std::array<std::int32_t, 256> byte_ids;  // or -1
  bool has_all_bytes = true;
  // Whether merging the text of a piece ends in that piece, found out when it is first met.
  // 0 not yet known, 1 yes, 2 no.  Threads may race to write what is the same for all.
  std::unique_ptr<std::atomic<std::uint8_t>[]> whole;
  std::vector<std::size_t> added_sizes;     // lengths of the added tokens, longest first
  std::bitset<256> added_first;             // bytes that begin one of them
  std::string bytes;                        // what each token adds to a text, end to end ...
  std::vector<std::uint64_t> bytes_offset;  // ... starting here

  Status fill();
  Status fill_merges();
  Status bad_merge(std::size_t rank, const std::string& why) const;
  int added_at(std::string_view text) const;
};

Status Tokenizer::Table::fill() {
  const auto& pieces = vocabulary.pieces;
  if (pieces.empty() || pieces.size() > (1u << 24))
    return corrupt("tokenizer: " + std::to_string(pieces.size()) + " tokens, expected 1 to 16777216");
  if (vocabulary.kinds.size() != pieces.size())
    return corrupt("tokenizer: " + std::to_string(vocabulary.kinds.size()) + " token types for " +
                   std::to_string(pieces.size()) + " tokens");
  for (int id : {vocabulary.bos, vocabulary.eos, vocabulary.unknown, vocabulary.pad, vocabulary.mask})
    if (id < -1 || id >= static_cast<int>(pieces.size()))
      return corrupt("tokenizer: special token id " + std::to_string(id) + " is outside the vocabulary of " +
                     std::to_string(pieces.size()));
  if (int twice = index.build(pieces); twice >= 0)
    return corrupt("tokenizer: token " + std::to_string(twice) + " " + shown(pieces[static_cast<std::size_t>(twice)]) +
                   " occurs twice");
  whole = std::make_unique<std::atomic<std::uint8_t>[]>(pieces.size());
  byte_ids.fill(-1);
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    const std::string& piece = pieces[id];
    auto bad = [&](const char* why) {
      return corrupt("tokenizer: token " + std::to_string(id) + " " + shown(piece) + why);
    };
    if (piece.empty()) return bad(" is empty");
    if (piece.size() > kMaxPiece) return bad(" is longer than 4096 bytes");
    if (piece.find(' ') != piece.npos) return bad(" holds a plain space, expected U+2581");
    if (!is_utf8(piece)) return bad(" is not UTF-8");
    TokenKind kind = vocabulary.kinds[id];
    bytes_offset.push_back(bytes.size());
    if (kind == TokenKind::kByte) {
      int value = byte_value(piece);
      if (value < 0) return bad(" has type byte, expected a name like <0x41>");
      byte_ids[static_cast<std::size_t>(value)] = static_cast<std::int32_t>(id);
      bytes += static_cast<char>(value);
    } else if (is_printed(kind)) {
      std::string_view rest = piece;
      for (std::size_t at; (at = rest.find(kSpace)) != rest.npos; rest.remove_prefix(at + kSpace.size()))
        bytes.append(rest.substr(0, at)) += ' ';
      bytes += rest;
    }
    if (is_added(kind)) {
      added_sizes.push_back(piece.size());
      added_first[static_cast<unsigned char>(piece[0])] = true;
    }
  }
  bytes_offset.push_back(bytes.size());
  std::sort(added_sizes.begin(), added_sizes.end(), std::greater<>());
  added_sizes.erase(std::unique(added_sizes.begin(), added_sizes.end()), added_sizes.end());
  for (std::int32_t id : byte_ids) has_all_bytes = has_all_bytes && id >= 0;
  for (unsigned c = 0; c < 128; ++c) {
    char text = static_cast<char>(c);
    int id = index.find(c == ' ' ? kSpace : std::string_view(&text, 1));
    ascii[c] = id >= 0 && may_merge(vocabulary.kinds[static_cast<std::size_t>(id)]) ? id : -1;
  }
  return fill_merges();
}

Status Tokenizer::Table::fill_merges() {
  constexpr std::size_t kBatch = 64;
  merges.reserve(vocabulary.merges.size());
  std::array<std::string, kBatch> joined;
  std::array<std::string_view, 3 * kBatch> names;  // left, right, joined
  std::array<std::int32_t, 3 * kBatch> ids;
  for (std::size_t begin = 0; begin < vocabulary.merges.size(); begin += kBatch) {
    const std::size_t n = std::min(kBatch, vocabulary.merges.size() - begin);
    for (std::size_t i = 0; i < n; ++i) {
      const std::string_view merge = vocabulary.merges[begin + i];
      const std::size_t space = merge.find(' ');
      if (space == merge.npos || merge.find(' ', space + 1) != merge.npos)
        return bad_merge(begin + i, " is not two pieces with one space between them");
      names[3 * i] = merge.substr(0, space);
      names[3 * i + 1] = merge.substr(space + 1);
      names[3 * i + 2] = joined[i].assign(names[3 * i]).append(names[3 * i + 1]);
    }
    index.find_all(std::span(names).first(3 * n), ids);
    for (std::size_t i = 0; i < n; ++i) merges.prefetch(ids[3 * i], ids[3 * i + 1]);
    for (std::size_t i = 0; i < n; ++i) {
      bool allowed = true;
      for (std::size_t part = 3 * i; part < 3 * i + 3; ++part) {
        if (ids[part] < 0) return bad_merge(begin + i, ": " + shown(names[part]) + " is not a token");
        allowed = allowed && may_merge(vocabulary.kinds[static_cast<std::size_t>(ids[part])]);
      }
      if (!allowed) continue;
      merges.insert(ids[3 * i], ids[3 * i + 1], {static_cast<std::uint32_t>(begin + i), ids[3 * i + 2]});
      adjacency.add_seam(names[3 * i], names[3 * i + 1]);
    }
  }
  return {};
}

Status Tokenizer::Table::bad_merge(std::size_t rank, const std::string& why) const {
  return corrupt("tokenizer: merge " + std::to_string(rank) + " " + shown(vocabulary.merges[rank]) + why);
}

// The longest added token that `text` begins with, or -1.
int Tokenizer::Table::added_at(std::string_view text) const {
  if (text.empty() || !added_first[static_cast<unsigned char>(text[0])]) return -1;
  for (std::size_t size : added_sizes) {
    int id = size <= text.size() ? index.find(text.substr(0, size)) : -1;
    if (id >= 0 && is_added(vocabulary.kinds[static_cast<std::size_t>(id)])) return id;
  }
  return -1;
}

namespace {

// A stretch met before and its ids: words repeat, and copying ids is several times faster than merging.  The text lies
// in the entry, so that a hit touches one cache line.  One entry per hash, the latest wins; lives as long as one call
// of encode().
struct alignas(32) Word {
  std::uint64_t text[2] = {};  // the bytes, then zeros; the last byte is their number
  std::uint32_t n_ids = 0;
  std::int32_t ids[3] = {};
};
constexpr std::size_t kMaxWordText = 15;
// Entries for a text: as many as it may have words, so that clearing them costs little beside encoding it; 512 kB at
// most, which the second level of cache holds.
std::size_t n_words(std::size_t text_size) {
  return std::bit_ceil(std::clamp<std::size_t>(text_size / 4, 16, 1u << 14));
}
constexpr std::size_t kMaxPieceText = 64;      // a longer stretch is not looked up as a piece
constexpr std::size_t kMaxStretch = 1u << 30;  // Symbol and BpeMerger count in 32 bits

}  // namespace

// One call of encode().
class Tokenizer::Encoder {
 public:
  Encoder(const Table& table, std::string_view text) : table_(table), text_(text) {
    ids_.reserve(text.size() / 3 + 8);
    words_.resize(n_words(text.size()));
  }
  std::vector<int> run(EncodeOptions options) {
    if (options.bos && table_.vocabulary.bos >= 0) ids_.push_back(table_.vocabulary.bos);
    std::size_t plain = 0;
    for (std::size_t at = 0; options.parse_special && at < text_.size(); ++at) {
      int id = table_.added_at(text_.substr(at));
      if (id < 0) continue;
      encode_plain(plain, at);
      ids_.push_back(id);
      plain = at + table_.vocabulary.pieces[static_cast<std::size_t>(id)].size();
      at = plain - 1;
    }
    encode_plain(plain, text_.size());
    return std::move(ids_);
  }

 private:
  // Runs of newlines and runs of anything else, as llama.cpp splits them.
  void encode_plain(std::size_t begin, std::size_t end) {
    unknown_floor_ = ids_.size();
    while (begin < end) {
      std::size_t stop = begin;
      if (text_[begin] == '\n') {
        while (stop < end && text_[stop] == '\n') ++stop;
        int id = table_.index.find(text_.substr(begin, stop - begin));
        if (id >= 0 && may_merge(table_.vocabulary.kinds[static_cast<std::size_t>(id)]))
          ids_.push_back(id);
        else
          encode_stretch(begin, stop);
      } else {
        while (stop < end && text_[stop] != '\n') ++stop;
        encode_chunk(begin, stop);
      }
      begin = stop;
    }
  }

  // Cuts where no merge can reach across.
  void encode_chunk(std::size_t begin, std::size_t end) {
    std::size_t start = begin;
    unsigned previous = Adjacency::class_of(text_.substr(begin));
    for (std::size_t at = begin + 1; at < end; ++at) {
      auto c = static_cast<unsigned char>(text_[at]);
      if ((c & 0xC0) == 0x80 && at - start < kMaxStretch + 4)
        continue;  // inside a character, or stray: then it merges with nothing anyway
      unsigned now = Adjacency::class_of(text_.substr(at));
      if (!table_.adjacency.may_join(previous, now) || at - start >= kMaxStretch) {
        encode_stretch(start, at);
        start = at;
      }
      previous = now;
    }
    encode_stretch(start, end);
  }

  void encode_stretch(std::size_t begin, std::size_t end) {
    const std::string_view text = text_.substr(begin, end - begin);
    if (!table_.has_all_bytes) return merge(text);  // its first <unk> may join one before it
    if (text.size() > kMaxWordText) return encode_unseen(text);
    std::uint64_t low = 0, high = 0;
    load_word(begin, text.size(), low, high);
    const std::uint64_t hash = (low ^ std::rotl(high, 29)) * 0x9e3779b97f4a7c15ull;  // 2^64 by the golden ratio
    Word& word = words_[(hash >> 32) & (words_.size() - 1)];
    if (word.text[0] == low && word.text[1] == high) {
      for (std::uint32_t i = 0; i < word.n_ids; ++i) ids_.push_back(word.ids[i]);
      return;
    }
    const std::size_t before = ids_.size();
    encode_unseen(text);
    if (ids_.size() - before > std::size(word.ids)) return;
    word.text[0] = low;
    word.text[1] = high;
    word.n_ids = static_cast<std::uint32_t>(ids_.size() - before);
    std::copy(ids_.begin() + static_cast<std::ptrdiff_t>(before), ids_.end(), word.ids);
  }

  // As Word has them.  size: 1 to kMaxWordText, so that no word equals an empty entry.
  void load_word(std::size_t begin, std::size_t size, std::uint64_t& low, std::uint64_t& high) const {
    const char* bytes = text_.data() + begin;
    char copy[16] = {};
    if (text_.size() - begin < sizeof copy) bytes = std::copy_n(bytes, size, copy) - size;
    std::memcpy(&low, bytes, 8);
    std::memcpy(&high, bytes + 8, 8);
    if (size < 8) low &= (std::uint64_t{1} << (8 * size)) - 1;
    high &= size <= 8 ? 0 : (std::uint64_t{1} << (8 * (size - 8))) - 1;
    high |= std::uint64_t{size} << 56;
  }

  void encode_unseen(std::string_view text) {
    if (text.size() > kMaxPieceText) return merge(text);
    char spelled[kMaxPieceText * kSpace.size()];
    const int id = table_.index.find(as_piece(text, spelled));
    if (id < 0) return merge(text);
    std::atomic<std::uint8_t>& whole = table_.whole[static_cast<std::size_t>(id)];
    const std::uint8_t known = whole.load(std::memory_order_relaxed);
    if (known == 1) return ids_.push_back(id);
    const std::size_t before = ids_.size();
    merge(text);
    if (known == 0) whole.store(ids_.size() == before + 1 && ids_.back() == id ? 1 : 2, std::memory_order_relaxed);
  }

  // The text as a piece spells it, in `out`.
  static std::string_view as_piece(std::string_view text, char* out) {
    char* end = out;
    for (char c : text) {
      if (c == ' ')
        end = std::copy(kSpace.begin(), kSpace.end(), end);
      else
        *end++ = c;
    }
    return {out, static_cast<std::size_t>(end - out)};
  }

  void merge(std::string_view text) {
    symbols_.clear();
    for (std::size_t at = 0; at < text.size();) {
      std::string_view rest = text.substr(at);
      int size = utf8_char_size(rest), id = -1;
      if (size == 1) {
        id = table_.ascii[static_cast<unsigned char>(rest[0])];
      } else if (size > 1) {
        id = table_.index.find(rest.substr(0, static_cast<std::size_t>(size)));
        if (id >= 0 && !may_merge(table_.vocabulary.kinds[static_cast<std::size_t>(id)])) id = -1;
      }
      size = std::max(size, 1);
      symbols_.push_back({id, static_cast<std::uint32_t>(size)});
      at += static_cast<std::size_t>(size);
    }
    merger_.merge(table_.merges, symbols_);
    std::size_t at = 0;
    for (Symbol symbol : symbols_) {
      if (symbol.id >= 0)
        ids_.push_back(symbol.id);
      else
        emit_bytes(text.substr(at, symbol.size_bytes));
      at += symbol.size_bytes;
    }
  }

  void emit_bytes(std::string_view bytes) {
    bool all = true;
    for (char c : bytes) all = all && table_.byte_ids[static_cast<unsigned char>(c)] >= 0;
    if (all) {
      for (char c : bytes) ids_.push_back(table_.byte_ids[static_cast<unsigned char>(c)]);
    } else if (int unknown = table_.vocabulary.unknown; unknown >= 0) {  // a run of them is one <unk>
      if (ids_.size() == unknown_floor_ || ids_.back() != unknown) ids_.push_back(unknown);
    }
  }

  const Table& table_;
  std::string_view text_;
  std::vector<int> ids_;
  std::vector<Word> words_;
  std::vector<Symbol> symbols_;
  BpeMerger merger_;
  std::size_t unknown_floor_ = 0;  // ids before this belong to an earlier stretch of plain text
};

Result<Tokenizer> Tokenizer::create(Vocabulary vocabulary) {
  auto table = std::make_shared<Table>();
  table->vocabulary = std::move(vocabulary);
  FACET_TRY(table->fill());
  return Tokenizer(std::move(table));
}

std::vector<int> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  return Encoder(*table_, text).run(options);
}

std::string Tokenizer::decode(std::span<const int> ids) const {
  std::string text;
  for (int id : ids) text += piece_bytes(id);
  return text;
}

std::string_view Tokenizer::piece_bytes(int id) const {
  if (id < 0 || id >= vocab_size()) return {};
  auto at = static_cast<std::size_t>(id);
  return std::string_view(table_->bytes)
      .substr(table_->bytes_offset[at], table_->bytes_offset[at + 1] - table_->bytes_offset[at]);
}

const Vocabulary& Tokenizer::vocabulary() const { return table_->vocabulary; }
int Tokenizer::id_of(std::string_view piece) const { return table_->index.find(piece); }

}  // namespace facet
