// tokenizer.json.
#include <cstdio>
#include <utility>

#include "malformed.h"

namespace facet::malformed {

// Five control tokens, the 256 bytes, some letters and merges, a token that only the text's special parts name.
std::string good_tokenizer() {
  std::string vocab, added, merges;
  int n = 0;
  auto add = [&](const std::string& piece) {
    vocab += (n ? ",\"" : "\"") + piece + "\":" + std::to_string(n);
    return n++;
  };
  for (const char* piece : {"<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<|turn>", "<|channel>"}) {
    const int id = add(piece);
    added += (id ? ",{\"id\":" : "{\"id\":") + std::to_string(id) + ",\"content\":\"" + piece + "\",\"special\":true}";
  }
  for (unsigned b = 0; b < 256; ++b) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", b);
    add(name);
  }
  for (const char* piece : {"\u2581", "\\n", "\\n\\n", "a", "d", "e", "h", "n", "t", "\u00e9", "th", "the", "\u2581the",
                            "an", "and", "\u2581a"})
    add(piece);
  for (auto [left, right] :
       {std::pair("t", "h"), {"th", "e"}, {"\u2581", "the"}, {"a", "n"}, {"an", "d"}, {"\u2581", "a"}, {"\\n", "\\n"}})
    merges += (merges.empty() ? "[\"" : ",[\"") + std::string(left) + "\",\"" + right + "\"]";
  added += ",{\"id\":" + std::to_string(n) + ",\"content\":\"<|extra|>\",\"special\":true}";
  return R"({"version":"1.0","added_tokens":[)" + added +
         R"(],"normalizer":{"type":"Replace","pattern":{"String":" "},"content":")"
         "\u2581"
         R"("},"pre_tokenizer":{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious"},)"
         R"("decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":")"
         "\u2581"
         R"("},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"}]},"model":{"type":"BPE","dropout":null,)"
         R"("unk_token":"<unk>","byte_fallback":true,"ignore_merges":false,"vocab":{)" +
         vocab + "},\"merges\":[" + merges + "]}}";
}

std::vector<Case> tokenizer_cases() {
  std::vector<Case> out;
  const std::string good = good_tokenizer();
  auto text = [&](const char* name, std::string bytes, std::string message) {
    out.push_back({name, std::move(bytes), Code::kCorrupt, std::move(message)});
  };
  auto change = [&](const char* name, std::string_view from, std::string_view to, std::string message,
                    Code code = Code::kCorrupt) {
    out.push_back({name, replace_first(good, from, to), code, std::move(message)});
  };
  text("empty", "", "tokenizer.json: is not valid JSON at byte");
  text("null", "null", "tokenizer.json: not an object");
  text("cut", good.substr(0, good.size() - 1), "is not valid JSON at byte");
  text("zero_byte", good + std::string(1, '\0'), "is not valid JSON at byte");
  text("nested_deep", std::string(100000, '['), "is nested deeper than 16");
  text("no_model", "{}", "no \"model\"");
  change("not_utf8", "\"a\":", "\"\xff\":", "is not valid JSON at byte");
  change("vocab_key_twice", "\"a\":", "\"t\":", "names 't' twice");
  change("nested_normalizer", "{\"type\":\"Replace\"", "{\"type\":" + std::string(20, '[') + std::string(20, ']'),
         "is nested deeper than 16");
  change("normalizer_other", "\"Replace\"", "\"NFKC\"", "normalizer", Code::kUnsupported);
  change("normalizer_scalar", "{\"type\":\"Replace\"", "7,\"x\":{\"type\":\"Replace\"", "normalizer 7",
         Code::kUnsupported);
  change("pre_tokenizer_other", "\"Split\"", "\"ByteLevel\"", "pre_tokenizer", Code::kUnsupported);
  change("decoder_other", "\"ByteFallback\"", "\"Strip\"", "decoder", Code::kUnsupported);
  change("model_other", "\"BPE\"", "\"Unigram\"", "model type \"Unigram\"", Code::kUnsupported);
  change("dropout", "\"dropout\":null", "\"dropout\":0.5", "model.dropout is 0.5", Code::kUnsupported);
  change("no_byte_fallback", "\"byte_fallback\":true", "\"byte_fallback\":false", "byte_fallback", Code::kUnsupported);
  change("vocab_list", "\"vocab\":{", "\"vocab\":[],\"v\":{", "no model.vocab");
  change("merges_text", "\"merges\":[", "\"merges\":\"a b\",\"m\":[", "no model.merges");
  change("id_negative", "\"a\":266", "\"a\":-1", "token \"a\" has id -1");
  change("id_text", "\"a\":266", "\"a\":\"266\"", "token \"a\" has id \"266\"");
  change("id_fraction", "\"a\":266", "\"a\":266.0", "token \"a\" has id 266.0");
  change("id_2_64", "\"a\":266", "\"a\":18446744073709551615", "token \"a\" has id 18446744073709551615");
  change("id_beyond", "\"a\":266", "\"a\":1000000", "token \"a\" has id 1000000, expected 0 to");
  change("id_twice", "\"a\":266", "\"a\":267", "id 267 names both");
  change("id_hole", "\"a\":266", "\"a\":280", "no token has id 266");
  change("added_list", "\"added_tokens\":[", "\"added_tokens\":7,\"x\":[", "added_tokens is not a list");
  change("added_scalar", "\"added_tokens\":[", "\"added_tokens\":[7,", "an added token without content");
  change("added_lstrip", "\"special\":true}", "\"special\":true,\"lstrip\":true}", "has lstrip", Code::kUnsupported);
  change("piece_empty", "\"a\":266", "\"\":266", "token 266 '' is empty");
  change("piece_space", "\"d\":267", "\"d d\":267", "holds a plain space");
  change("piece_long", "\"d\":267", "\"" + std::string(4097, 'd') + "\":267", "is longer than 4096 bytes");
  change("piece_escape", "\"d\":267", "\"\\u001b[2J \":267", "token 267 '\\x1b[2J ' holds a plain space");
  change("merge_number", "[\"t\",\"h\"]", "7", "merge 0 is 7");
  change("merge_of_three", "[\"t\",\"h\"]", "[\"t\",\"h\",\"e\"]", "merge 0 is");
  change("merge_without_space", "[\"t\",\"h\"]", "\"th\"", "merge 0 'th' is not two pieces");
  change("merge_unknown", "[\"t\",\"h\"]", "[\"t\",\"q\"]", "'q' is not a token");
  change("merge_result_unknown", "[\"t\",\"h\"]", "[\"h\",\"t\"]", "'ht' is not a token");
  return out;
}

}  // namespace facet::malformed
