#include "text/test_vocabulary.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "text/utf8.h"

namespace facet::testing {
namespace {

std::string utf8(std::uint32_t c) {
  auto part = [&](int shift, unsigned lead) { return static_cast<char>(lead | ((c >> shift) & 0x3F)); };
  if (c < 0x80) return std::string(1, static_cast<char>(c));
  if (c < 0x800) return {static_cast<char>(0xC0 | (c >> 6)), part(0, 0x80)};
  if (c < 0x10000) return {static_cast<char>(0xE0 | (c >> 12)), part(6, 0x80), part(0, 0x80)};
  return {static_cast<char>(0xF0 | (c >> 18)), part(12, 0x80), part(6, 0x80), part(0, 0x80)};
}

}  // namespace

Definition::Definition(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
  for (const std::string& merge : tokenizer.vocabulary().merges) {
    std::size_t space = merge.find(' ');
    ranks_.emplace(std::pair(merge.substr(0, space), merge.substr(space + 1)), static_cast<int>(ranks_.size()));
  }
}

void Definition::encode_chunk(std::string_view chunk, std::vector<int>& ids) const {
  // Symbols are strings; what can never be a piece is kept apart by a mark.
  std::vector<std::pair<std::string, std::string>> symbols;  // piece, bytes of the text
  for (std::size_t at = 0; at < chunk.size();) {
    auto size = static_cast<std::size_t>(std::max(1, utf8_char_size(chunk.substr(at))));
    std::string c(chunk.substr(at, size));
    symbols.emplace_back(c == " " ? "\u2581" : !is_utf8(c) ? "\xff" : c, c);
    at += size;
  }
  for (;;) {
    std::size_t best = 0;
    int best_rank = -1;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      auto found = ranks_.find({symbols[i].first, symbols[i + 1].first});
      if (found != ranks_.end() && (best_rank < 0 || found->second < best_rank)) {
        best_rank = found->second;
        best = i;
      }
    }
    if (best_rank < 0) break;
    symbols[best].first += symbols[best + 1].first;
    symbols[best].second += symbols[best + 1].second;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  for (const auto& [piece, bytes] : symbols) {
    if (int id = tokenizer_.id_of(piece); id >= 0) {
      ids.push_back(id);
      continue;
    }
    for (char c : bytes) {
      char name[8];
      std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(static_cast<unsigned char>(c)));
      ids.push_back(tokenizer_.id_of(name));
    }
  }
}

std::vector<int> Definition::encode(std::string_view text) const {
  std::vector<int> ids;
  for (std::size_t at = 0; at < text.size();) {
    bool newlines = text[at] == '\n';
    std::size_t end = at;
    while (end < text.size() && (text[end] == '\n') == newlines) ++end;
    std::string_view chunk = text.substr(at, end - at);
    if (int id = newlines ? tokenizer_.id_of(chunk) : -1; id >= 0)
      ids.push_back(id);
    else
      encode_chunk(chunk, ids);
    at = end;
  }
  return ids;
}

std::vector<std::string> golden_lines(const std::string& name) {
  std::ifstream in(std::string(FACET_SOURCE_DIR) + "/tests/golden/tokenizer/" + name, std::ios::binary);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> golden_texts() {
  std::vector<std::string> texts;
  for (const std::string& line : golden_lines("texts.jsonl")) texts.push_back(nlohmann::json::parse(line));
  return texts;
}

std::string as_spaces(std::string text) {
  constexpr std::string_view kSpace = "\u2581";
  for (std::size_t at = 0; (at = text.find(kSpace, at)) != text.npos;) text.replace(at, kSpace.size(), " ");
  return text;
}

std::string hostile_text(Rng& rng, std::size_t n_parts, std::span<const std::string> words) {
  static const std::vector<std::string> kSpecial = {
      "<|turn>", "<turn|>",           "<|turn>x", "<|\"|>", "<bos>",  "<eos>",    "<unk>",        "<0x41>",   "<0xFF>",
      "\u2581",  "\u2581\u2581",      "<|",       "\r\n",   "\t\t\t", "\xF0\x9F", "\xED\xA0\x80", "\xC0\x80", "\xFF",
      "\x80",    std::string(1, '\0')};
  std::string text;
  for (std::size_t i = 0; i < n_parts; ++i) {
    std::uint32_t kind = rng.below(10);
    if (kind < 4 && !words.empty()) {
      text += words[rng.below(static_cast<std::uint32_t>(words.size()))];
    } else if (kind == 4) {
      text.append(1 + rng.below(rng.below(4) ? 4 : 80), ' ');
    } else if (kind == 5) {
      text.append(1 + rng.below(rng.below(4) ? 3 : 80), '\n');
    } else if (kind == 6) {
      text += kSpecial[rng.below(static_cast<std::uint32_t>(kSpecial.size()))];
    } else if (kind == 7) {
      constexpr std::uint32_t kPlanes[] = {0x80, 0x800, 0x3000, 0x10000, 0x1F600, 0x110000};
      std::uint32_t c = rng.below(kPlanes[rng.below(6)]);
      text += utf8(c >= 0xD800 && c < 0xE000 ? 0x2581 : c);
    } else if (kind == 8) {
      text += static_cast<char>(rng.below(256));
    } else {
      text += static_cast<char>(' ' + rng.below(95));
    }
  }
  return text;
}

}  // namespace facet::testing
