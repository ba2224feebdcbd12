// tokenizer.json as Hugging Face's tokenizers library reads and writes it: docs/model/tokenizer.md, "tokenizer.json".
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

#include "base/json.h"
#include "text/tokenizer.h"

namespace facet {
namespace {

using Json = nlohmann::ordered_json;

// Added tokens that Hugging Face calls special but a chat parser has to see in the output, as llama.cpp's converter
// types them (spec: token types).
constexpr std::array<std::string_view, 7> kVisible = {
    "<|channel>", "<channel|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>", "<|\"|>"};
bool is_visible(std::string_view piece) { return std::find(kVisible.begin(), kVisible.end(), piece) != kVisible.end(); }

bool is_byte_name(std::string_view piece) {
  auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  return piece.size() == 6 && piece.starts_with("<0x") && hex(piece[3]) && hex(piece[4]) && piece[5] == '>';
}

Status bad(const std::string& what) { return corrupt("tokenizer.json: " + what); }
Status cannot(const std::string& what) { return unsupported("tokenizer.json: " + what); }

// A member, or null when absent.
const Json& member(const Json& object, const char* key) {
  static const Json null;
  if (!object.is_object()) return null;
  auto found = object.find(key);
  return found == object.end() ? null : *found;
}
bool is_type(const Json& object, std::string_view type) {
  const Json& name = member(object, "type");
  return name.is_string() && name.get_ref<const std::string&>() == type;
}
std::string shown(const Json& value) {
  return value.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 120);
}

bool replaces(const Json& step, std::string_view from, std::string_view to) {
  const Json& pattern = member(member(step, "pattern"), "String");
  const Json& content = member(step, "content");
  return is_type(step, "Replace") && pattern.is_string() && pattern.get_ref<const std::string&>() == from &&
         content.is_string() && content.get_ref<const std::string&>() == to;
}

// The parts around the model have to be Gemma's, or the ids would silently differ.
Status check_pipeline(const Json& root) {
  const Json* normalizer = &member(root, "normalizer");
  if (is_type(*normalizer, "Sequence") && member(*normalizer, "normalizers").size() == 1)
    normalizer = &member(*normalizer, "normalizers").front();
  if (!replaces(*normalizer, " ", "\u2581"))
    return cannot("normalizer " + shown(*normalizer) + ", expected Replace of \" \" by U+2581 (Gemma)");
  // After that normalizer a split at spaces never happens; Gemma ships one.
  const Json& pre = member(root, "pre_tokenizer");
  const Json& pattern = member(member(pre, "pattern"), "String");
  if (!pre.is_null() && !(is_type(pre, "Split") && pattern.is_string() && pattern.get_ref<const std::string&>() == " "))
    return cannot("pre_tokenizer " + shown(pre) + ", expected none or a Split at \" \" (Gemma)");
  const Json& decoder = member(root, "decoder");
  const Json& steps = member(decoder, "decoders");
  bool good = is_type(decoder, "Sequence") && steps.is_array() && !steps.empty() && replaces(steps[0], "\u2581", " ");
  for (std::size_t i = 1; good && i < steps.size(); ++i)
    good = is_type(steps[i], "ByteFallback") || is_type(steps[i], "Fuse");
  if (!good)
    return cannot("decoder " + shown(decoder) + ", expected Replace of U+2581 by \" \", ByteFallback, Fuse (Gemma)");
  return {};
}

Status check_model(const Json& model) {
  if (!model.is_object()) return bad("no \"model\"");
  const Json& type = member(model, "type");
  if (!type.is_null() && !is_type(model, "BPE")) return cannot("model type " + shown(type) + ", expected BPE");
  auto set = [&](const char* key) {
    const Json& value = member(model, key);
    return !value.is_null() && value != "" && value != false && value != 0;
  };
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges"})
    if (set(key))
      return cannot("model." + std::string(key) + " is " + shown(member(model, key)) + ", expected none (Gemma)");
  if (!set("byte_fallback")) return cannot("model.byte_fallback is not true (Gemma's is)");
  if (!member(model, "vocab").is_object()) return bad("no model.vocab");
  if (!member(model, "merges").is_array()) return bad("no model.merges");
  return {};
}

Status read_pieces(const Json& root, Vocabulary& out) {
  const Json& vocab = member(member(root, "model"), "vocab");
  const Json& added = member(root, "added_tokens");
  if (!added.is_null() && !added.is_array()) return bad("added_tokens is not a list");
  const std::size_t limit = vocab.size() + added.size();
  std::vector<std::string> pieces(limit);
  std::vector<TokenKind> kinds(limit, TokenKind::kNormal);
  std::vector<bool> filled(limit);
  auto place = [&](const std::string& piece, const Json& value, std::size_t& id) -> Status {
    if (!value.is_number_integer() || value < 0 || value >= limit)
      return bad("token " + shown(piece) + " has id " + shown(value) + ", expected 0 to " + std::to_string(limit - 1));
    id = value.get<std::size_t>();
    if (filled[id] && pieces[id] != piece)
      return bad("id " + std::to_string(id) + " names both " + shown(pieces[id]) + " and " + shown(piece));
    pieces[id] = piece;
    filled[id] = true;
    return {};
  };
  std::size_t id = 0;
  for (const auto& [piece, value] : vocab.items()) {
    FACET_TRY(place(piece, value, id));
    if (is_byte_name(piece)) kinds[id] = TokenKind::kByte;
  }
  for (const Json& token : added) {
    const Json& content = member(token, "content");
    if (!content.is_string()) return bad("an added token without content");
    FACET_TRY(place(content.get_ref<const std::string&>(), member(token, "id"), id));
    for (const char* key : {"lstrip", "rstrip", "single_word"})
      if (member(token, key) == true)
        return cannot("added token " + shown(content) + " has " + key + ", expected false (Gemma)");
    const bool control = member(token, "special") == true && !is_visible(pieces[id]);
    kinds[id] = control ? TokenKind::kControl : TokenKind::kUserDefined;
  }
  while (!filled.empty() && !filled.back()) filled.pop_back();
  for (std::size_t i = 0; i < filled.size(); ++i)
    if (!filled[i]) return bad("no token has id " + std::to_string(i) + ", but higher ids exist");
  pieces.resize(filled.size());
  kinds.resize(filled.size());
  out.pieces = std::move(pieces);
  out.kinds = std::move(kinds);
  return {};
}

Status read_merges(const Json& merges, Vocabulary& out) {
  out.merges.reserve(merges.size());
  for (const Json& merge : merges) {
    if (merge.is_string()) {
      out.merges.push_back(merge.get_ref<const std::string&>());
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      out.merges.push_back(merge[0].get_ref<const std::string&>() + " " + merge[1].get_ref<const std::string&>());
    } else {
      return bad("merge " + std::to_string(out.merges.size()) + " is " + shown(merge) +
                 ", expected \"a b\" or [\"a\", \"b\"]");
    }
  }
  return {};
}

void read_special_ids(const Json& root, Vocabulary& out) {
  auto find = [&](std::string_view piece) {
    auto at = std::find(out.pieces.begin(), out.pieces.end(), piece);
    return at == out.pieces.end() ? -1 : static_cast<int>(at - out.pieces.begin());
  };
  const Json& unknown = member(member(root, "model"), "unk_token");
  out.unknown = find(unknown.is_string() ? unknown.get_ref<const std::string&>() : "<unk>");
  out.bos = find("<bos>");
  out.eos = find("<eos>");
  out.pad = find("<pad>");
  out.mask = find("<mask>");
}

}  // namespace

Result<Tokenizer> Tokenizer::from_json(std::string_view text) {
  FACET_ASSIGN(const Json root, parse_json(text, "tokenizer.json"));
  if (!root.is_object()) return bad("not an object");
  Vocabulary vocabulary;
  FACET_TRY(check_model(member(root, "model")));
  FACET_TRY(check_pipeline(root));
  FACET_TRY(read_pieces(root, vocabulary));
  FACET_TRY(read_merges(member(member(root, "model"), "merges"), vocabulary));
  read_special_ids(root, vocabulary);
  return create(std::move(vocabulary));
}

std::string Tokenizer::to_json() const {
  const Vocabulary& v = vocabulary();
  auto replace = [](const char* from, const char* to) {
    return Json{{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
  };
  Json root;
  root["version"] = "1.0";
  root["truncation"] = nullptr;
  root["padding"] = nullptr;
  root["added_tokens"] = Json::array();
  for (std::size_t id = 0; id < v.pieces.size(); ++id) {
    TokenKind kind = v.kinds[id];
    bool control = kind == TokenKind::kControl || kind == TokenKind::kUnknown;
    if (!control && kind != TokenKind::kUserDefined) continue;
    root["added_tokens"].push_back(Json{{"id", id},
                                        {"content", v.pieces[id]},
                                        {"single_word", false},
                                        {"lstrip", false},
                                        {"rstrip", false},
                                        {"normalized", false},
                                        {"special", control || is_visible(v.pieces[id])}});
  }
  root["normalizer"] = replace(" ", "\u2581");
  root["pre_tokenizer"] = nullptr;
  root["post_processor"] = nullptr;
  if (v.bos >= 0) {
    auto sequence = [](const char* id) { return Json{{"Sequence", {{"id", id}, {"type_id", 0}}}}; };
    const std::string& piece = v.pieces[static_cast<std::size_t>(v.bos)];
    Json bos = {{"SpecialToken", {{"id", piece}, {"type_id", 0}}}};
    root["post_processor"] = {
        {"type", "TemplateProcessing"},
        {"single", Json::array({bos, sequence("A")})},
        {"pair", Json::array({bos, sequence("A"), bos, sequence("B")})},
        {"special_tokens",
         {{piece, {{"id", piece}, {"ids", Json::array({v.bos})}, {"tokens", Json::array({piece})}}}}}};
  }
  root["decoder"] = {
      {"type", "Sequence"},
      {"decoders", Json::array({replace("\u2581", " "), Json{{"type", "ByteFallback"}}, Json{{"type", "Fuse"}}})}};
  Json model = {{"type", "BPE"},
                {"dropout", nullptr},
                {"unk_token", v.unknown < 0 ? Json() : Json(v.pieces[static_cast<std::size_t>(v.unknown)])},
                {"continuing_subword_prefix", nullptr},
                {"end_of_word_suffix", nullptr},
                {"fuse_unk", true},
                {"byte_fallback", true},
                {"ignore_merges", false}};
  // The vocabulary goes in as text, in id order: an ordered_json object searches all its keys at each insertion.
  std::string out = root.dump();
  out.back() = ',';
  out += "\"model\":" + model.dump();
  out.back() = ',';
  out += "\"vocab\":{";
  for (std::size_t id = 0; id < v.pieces.size(); ++id)
    out += (id ? "," : "") + Json(v.pieces[id]).dump() + ":" + std::to_string(id);
  return out + "},\"merges\":" + Json(v.merges).dump() + "}}";
}

}  // namespace facet
