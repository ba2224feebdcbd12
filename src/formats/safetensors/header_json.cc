#include "formats/safetensors/header_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "base/printable.h"

namespace facet {
namespace {

using nlohmann::json;

// What both grammars share: events carry the depth they happen at, anything unexpected stops the parse with a Status.
// An event handler that is not overridden refuses.
class Events : public nlohmann::json_sax<json> {
 public:
  explicit Events(const char* subject) : subject_(subject) {}  // "the header"
  Status run(std::string_view text) {
    // The parser takes a zero byte for the end of the text and would not look at what follows.
    if (auto zero = text.find('\0'); zero != text.npos)
      bad_text(fmt::format("is not valid JSON at byte {}", zero));
    else if (json::sax_parse(text.begin(), text.end(), this))
      return {};
    return status_;
  }

  // What the parser calls.
  bool null() final { return depth_ == 0 ? outside() : on_other("null"); }
  bool boolean(bool) final { return depth_ == 0 ? outside() : on_other("a boolean"); }
  bool number_integer(number_integer_t) final { return depth_ == 0 ? outside() : on_other("a negative number"); }
  bool number_unsigned(number_unsigned_t n) final { return depth_ == 0 ? outside() : on_count(n); }
  bool number_float(number_float_t, const string_t&) final {
    return depth_ == 0 ? outside() : on_other("a number that is not a whole one of 64 bits");
  }
  bool string(string_t& s) final { return depth_ == 0 ? outside() : on_string(s); }
  bool binary(binary_t&) final { return outside(); }
  bool start_object(std::size_t) final { return open(false); }
  bool end_object() final { return close(); }
  bool start_array(std::size_t) final { return open(true); }
  bool end_array() final { return close(); }
  bool key(string_t& k) final {
    if (k.size() > limits::kMaxStringBytes) return bad_text(fmt::format("has a name of {} bytes", k.size()));
    key_ = std::move(k);
    return on_key();
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) final {
    return bad_text(fmt::format("is not valid JSON at byte {}", position));
  }

 protected:
  int depth_ = 0;  // of open objects and arrays
  std::string key_;

  bool stop(std::string what, Code code = Code::kCorrupt) {
    status_ = Status(code, std::move(what));
    return false;
  }
  bool bad_text(const std::string& what) { return stop(std::string(subject_) + " " + what); }
  // Refuses with the place: subclasses know it.
  virtual bool unexpected(const char* what) = 0;
  virtual bool on_open(bool is_array) = 0;  // depth_ is already that of the inside
  virtual bool on_close() { return true; }  // depth_ still that of the inside
  virtual bool on_key() = 0;
  virtual bool on_string(std::string&) { return unexpected("a string"); }
  virtual bool on_count(std::uint64_t) { return unexpected("a number"); }
  virtual bool on_other(const char* what) { return unexpected(what); }

 private:
  bool open(bool is_array) {
    if (++depth_ > limits::kMaxJsonDepth)
      return bad_text(fmt::format("is nested deeper than {}", limits::kMaxJsonDepth));
    if (depth_ == 1 && is_array) return bad_text("is an array, expected an object");
    return on_open(is_array);
  }
  bool close() {
    bool go_on = on_close();
    --depth_;
    return go_on;
  }
  bool outside() { return bad_text("is not a JSON object"); }

  const char* subject_;
  Status status_;
};

class HeaderEvents final : public Events {
 public:
  explicit HeaderEvents(SafetensorsHeader& out) : Events("the header"), out_(out) {}

 private:
  enum Field : unsigned { kNone = 0, kDtype = 1, kShape = 2, kOffsets = 4, kAll = 7 };

  HeaderEntry& entry() { return out_.entries.back(); }
  std::string place() const {
    if (in_metadata_) return "__metadata__";
    return out_.entries.empty() ? "the header" : "tensor '" + printable(out_.entries.back().name) + "'";
  }
  bool bad(const std::string& what) { return stop(place() + " " + what); }
  bool unexpected(const char* what) override {
    if (in_metadata_) return bad(fmt::format("holds {}, expected strings only", what));
    if (depth_ == 1) return bad(fmt::format("is {}, expected an object", what));
    static constexpr const char* kWanted[] = {"", "dtype, expected a string", "shape, expected whole numbers from 0",
                                              "", "data_offsets, expected two whole numbers"};
    return bad(fmt::format("has {} in its {}", what, kWanted[field_]));
  }

  bool on_key() override {
    if (depth_ == 1) return begin_member();
    if (in_metadata_) {
      if (out_.metadata.size() >= limits::kMaxKeys) return bad(fmt::format("has more than {} keys", limits::kMaxKeys));
      if (out_.metadata.contains(key_)) return bad("has the key '" + printable(key_) + "' twice");
      return true;
    }
    field_ = key_ == "dtype" ? kDtype : key_ == "shape" ? kShape : key_ == "data_offsets" ? kOffsets : kNone;
    if (field_ == kNone) return bad("has the unknown field '" + printable(key_) + "'");
    if (seen_ & field_) return bad("has the field '" + key_ + "' twice");
    seen_ |= field_;
    return true;
  }

  bool begin_member() {
    in_metadata_ = key_ == "__metadata__";
    if (in_metadata_) {
      if (had_metadata_) return bad("appears twice");
      had_metadata_ = true;
      return true;
    }
    if (out_.entries.size() >= limits::kMaxTensors)
      return bad_text(fmt::format("lists more than {} tensors", limits::kMaxTensors));
    if (key_.empty()) return bad_text("has a tensor with an empty name");
    out_.entries.emplace_back().name = std::move(key_);
    seen_ = kNone;
    n_offsets_ = 0;
    return true;
  }

  bool on_open(bool is_array) override {
    if (depth_ == 1) return true;
    if (depth_ == 2) return is_array ? bad("is an array, expected an object") : true;
    bool list = !in_metadata_ && depth_ == 3 && is_array && (field_ == kShape || field_ == kOffsets);
    if (list) return true;
    --depth_;  // report from where it was found
    return unexpected(is_array ? "an array" : "an object");
  }

  bool on_close() override {
    if (depth_ == 3 && field_ == kOffsets && n_offsets_ != 2)
      return bad(fmt::format("has {} data_offsets, expected 2", n_offsets_));
    if (depth_ == 2 && !in_metadata_ && seen_ != kAll) return bad("lacks one of dtype, shape and data_offsets");
    return true;
  }

  bool on_string(std::string& s) override {
    if (depth_ != 2) return unexpected("a string");
    if (in_metadata_) {
      out_.metadata.emplace(std::move(key_), std::move(s));
      return true;
    }
    if (field_ != kDtype) return unexpected("a string");
    auto type = safetensors_type(s);
    if (!type) return stop(place() + " has the unknown dtype '" + printable(s) + "'", Code::kUnsupported);
    entry().type = *type;
    return true;
  }

  bool on_count(std::uint64_t n) override {
    if (depth_ != 3) return unexpected("a number");
    if (field_ == kShape) {
      if (entry().shape.size() >= limits::kMaxDims)
        return bad(fmt::format("has more than {} dimensions", limits::kMaxDims));
      if (!std::in_range<std::int64_t>(n)) return bad(fmt::format("has a dimension of {}", n));
      entry().shape.push_back(static_cast<std::int64_t>(n));
      return true;
    }
    if (n_offsets_ == 2) return bad("has more than 2 data_offsets");
    (n_offsets_++ == 0 ? entry().begin : entry().end) = n;
    return true;
  }

  SafetensorsHeader& out_;
  bool in_metadata_ = false, had_metadata_ = false;
  unsigned field_ = kNone, seen_ = kNone;
  int n_offsets_ = 0;
};

class IndexEvents final : public Events {
 public:
  explicit IndexEvents(std::vector<std::pair<std::string, std::string>>& out) : Events("the index"), out_(out) {}
  bool had_map() const { return had_map_; }

 private:
  // Members other than weight_map are nobody's business: skipped, whatever they hold.
  bool unexpected(const char* what) override {
    return in_map_ ? bad_text(fmt::format("has {} in its weight_map, expected file names", what)) : true;
  }
  bool on_key() override {
    if (depth_ == 1) {
      in_map_ = key_ == "weight_map";
      if (in_map_ && had_map_) return bad_text("has two weight_map");
      had_map_ |= in_map_;
    } else if (in_map_ && out_.size() >= limits::kMaxTensors) {
      return bad_text(fmt::format("lists more than {} tensors", limits::kMaxTensors));
    }
    return true;
  }
  bool on_open(bool is_array) override {
    return !in_map_ || depth_ == 1 || (depth_ == 2 && !is_array) || unexpected(is_array ? "an array" : "an object");
  }
  bool on_string(std::string& file) override {
    if (!in_map_ || depth_ != 2) return unexpected("a string");
    if (file.empty() || file == "." || file == ".." ||
        file.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos)
      return bad_text("names the file '" + printable(file) + "', expected a plain name without a folder");
    out_.emplace_back(std::move(key_), std::move(file));
    return true;
  }

  std::vector<std::pair<std::string, std::string>>& out_;
  bool in_map_ = false, had_map_ = false;
};

}  // namespace

Result<SafetensorsHeader> parse_safetensors_header(std::string_view json) {
  SafetensorsHeader header;
  FACET_TRY(HeaderEvents(header).run(json));
  return header;
}

Result<std::vector<std::pair<std::string, std::string>>> parse_shard_index(std::string_view json) {
  std::vector<std::pair<std::string, std::string>> pairs;
  IndexEvents events(pairs);
  FACET_TRY(events.run(json));
  if (!events.had_map()) return corrupt("the index has no weight_map");
  return pairs;
}

}  // namespace facet
