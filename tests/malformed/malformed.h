// malformed.h: files that must be refused, each with its name, the expected code and a piece of the expected message;
// and small good files to break at random.  Built in code: an odd byte is easier to see in a line of C++ than in a
// binary file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "facet/status.h"

namespace facet::malformed {

struct Case {
  std::string name;
  std::string bytes;
  Code code;
  std::string message;  // must be found in the status' message
};
inline void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }  // for GoogleTest

// Little-endian bytes, appended piece by piece.
class Bytes {
 public:
  template <typename T>
  requires std::is_arithmetic_v<T> Bytes& put(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  Bytes& raw(std::string_view text) {
    text_.append(text);
    return *this;
  }
  Bytes& str(std::string_view text) { return put<std::uint64_t>(text.size()).raw(text); }  // as GGUF stores strings
  Bytes& pad(std::size_t alignment) {
    text_.append((alignment - text_.size() % alignment) % alignment, '\0');
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string good_gguf();         // every type of value and array, three tensors
std::string good_safetensors();  // metadata, a scalar, an empty tensor and three others
std::string good_config();       // config.json: every key
std::string good_drafter_config();
std::string good_generation_config();
std::string good_quantization();  // a config.json with the quantization_config of the mobile format
std::string good_packed();        // one with that of compressed-tensors
std::string good_tokenizer();     // tokenizer.json with all 256 bytes
std::string good_drafter_gguf();  // a whole one, with clusters
std::vector<Case> gguf_cases();
std::vector<Case> safetensors_cases();
std::vector<Case> config_cases();
std::vector<Case> drafter_config_cases();
std::vector<Case> generation_config_cases();
std::vector<Case> quantization_cases();
std::vector<Case> packed_cases();
std::vector<Case> tokenizer_cases();
std::vector<Case> drafter_gguf_cases();

// `text` with its first `from` replaced; a text that no reader takes when there is none.
std::string replace_first(std::string text, std::string_view from, std::string_view to);

}  // namespace facet::malformed
