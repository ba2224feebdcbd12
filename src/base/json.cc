#include "base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/printable.h"

namespace facet {
namespace {

using nlohmann::ordered_json;
using Object = ordered_json::object_t;

// Builds the tree itself because the library's way of adding a key to an ordered object searches all those before it.
class Builder final : public nlohmann::json_sax<ordered_json> {
 public:
  bool null() override { return add(nullptr); }
  bool boolean(bool v) override { return add(v); }
  bool number_integer(number_integer_t v) override { return add(v); }
  bool number_unsigned(number_unsigned_t v) override { return add(v); }
  bool number_float(number_float_t v, const string_t&) override { return add(v); }
  bool string(string_t& s) override { return fits(s) && add(std::move(s)); }
  bool binary(binary_t&) override { return stop("holds binary data"); }
  bool start_object(std::size_t) override { return open(ordered_json::object()); }
  bool start_array(std::size_t) override { return open(ordered_json::array()); }
  bool key(string_t& k) override {
    if (!fits(k)) return false;
    Object& object = open_.back()->get_ref<Object&>();
    object.emplace_back(std::move(k), nullptr);
    slot_ = &object.back().second;
    return true;
  }
  bool end_array() override { return close(); }
  bool end_object() override {
    const Object& object = open_.back()->get_ref<const Object&>();
    std::vector<const std::string*> keys;
    keys.reserve(object.size());
    for (const auto& [key, value] : object) keys.push_back(&key);
    std::sort(keys.begin(), keys.end(), [](const std::string* a, const std::string* b) { return *a < *b; });
    const auto twice = std::adjacent_find(keys.begin(), keys.end(),
                                          [](const std::string* a, const std::string* b) { return *a == *b; });
    if (twice != keys.end()) return stop("names '" + printable(**twice) + "' twice");
    return close();
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return stop(fmt::format("is not valid JSON at byte {}", position));
  }

  ordered_json root;
  std::string wrong;

 private:
  bool stop(std::string what) {
    wrong = std::move(what);
    return false;
  }
  bool fits(const std::string& s) {
    return s.size() <= limits::kMaxStringBytes || stop(fmt::format("has a string of {} bytes", s.size()));
  }
  // Where the next value goes: the end of the open array, or the slot of the key just read.
  bool add(ordered_json value) {
    place(std::move(value));
    return true;
  }
  ordered_json& place(ordered_json value) {
    if (open_.empty()) return root = std::move(value);
    if (open_.back()->is_array()) return open_.back()->emplace_back(std::move(value));
    return *slot_ = std::move(value);
  }
  bool open(ordered_json value) {
    if (open_.size() == limits::kMaxJsonDepth)
      return stop(fmt::format("is nested deeper than {}", limits::kMaxJsonDepth));
    open_.push_back(&place(std::move(value)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::vector<ordered_json*> open_;  // a container grows only while it is the innermost, so these stay where they are
  ordered_json* slot_ = nullptr;
};

}  // namespace

Result<ordered_json> parse_json(std::string_view text, std::string_view where) {
  auto bad = [&](const std::string& what) { return corrupt(std::string(where) + ": " + what); };
  if (text.size() > limits::kMaxJsonBytes)
    return bad(fmt::format("has {} bytes, at most {} are allowed", text.size(), limits::kMaxJsonBytes));
  // The parser takes a zero byte for the end of the text and would not look at what follows.
  if (const auto zero = text.find('\0'); zero != text.npos)
    return bad(fmt::format("is not valid JSON at byte {}", zero));
  Builder builder;
  if (!ordered_json::sax_parse(text.begin(), text.end(), &builder)) return bad(builder.wrong);
  return std::move(builder.root);
}

}  // namespace facet
