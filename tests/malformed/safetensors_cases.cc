#include <cstdint>

#include "malformed.h"

namespace facet::malformed {
namespace {

std::string file(std::string_view json, std::size_t data_bytes = 0) {
  return Bytes().put(static_cast<std::uint64_t>(json.size())).raw(json).raw(std::string(data_bytes, 'd')).text();
}

// One entry "t"; data of 8 bytes.
std::string entry(std::string_view fields) { return file("{\"t\":" + std::string(fields) + "}", 8); }

std::string repeat(std::string_view piece, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += piece;
  return out;
}

void add_envelope_cases(std::vector<Case>& out) {
  auto announce = [](std::uint64_t n) { return Bytes().put(n).raw("{}      ").text(); };
  out.insert(out.end(),
             {{"empty", "", Code::kCorrupt, "0 bytes are too few"},
              {"length_cut", std::string("\x02\0\0\0\0\0\0", 7), Code::kCorrupt, "7 bytes are too few"},
              {"length_0", announce(0), Code::kCorrupt, "the header of 0 bytes does not begin with '{'"},
              {"length_past_end", announce(9), Code::kCorrupt, "announces a header of 9 bytes, but only 8 are left"},
              {"length_above_limit", announce((std::uint64_t{100} << 20) + 1), Code::kCorrupt, "at most 104857600"},
              {"length_overflow", announce(UINT64_MAX), Code::kCorrupt, "at most 104857600"},
              {"not_json", file("hello world"), Code::kCorrupt, "does not begin with '{'"},
              {"byte_order_mark", file("\xef\xbb\xbf{}"), Code::kCorrupt, "does not begin with '{'"},
              {"array", file("[]"), Code::kCorrupt, "does not begin with '{'"},
              {"cut_json", file("{\"t\":{"), Code::kCorrupt, "the header is not valid JSON at byte"},
              {"comment", file("{/* */}"), Code::kCorrupt, "not valid JSON"},
              {"two_objects", file("{}{}"), Code::kCorrupt, "not valid JSON at byte 3"},
              {"zero_byte", file(std::string("{}\0\0", 4)), Code::kCorrupt, "not valid JSON at byte 2"},
              {"not_utf8", file("{\"\xff\":{}}"), Code::kCorrupt, "not valid JSON"},
              {"lone_surrogate", file(R"({"\ud800":{}})"), Code::kCorrupt, "not valid JSON"},
              {"data_without_tensors", file("{}", 1), Code::kCorrupt, "1 bytes of data belong to no tensor"}});
}

void add_form_cases(std::vector<Case>& out) {
  auto bad = [&](const char* name, std::string bytes, std::string message, Code code = Code::kCorrupt) {
    out.push_back({name, std::move(bytes), code, std::move(message)});
  };
  const std::string good = R"({"dtype":"U8","shape":[8],"data_offsets":[0,8]})";
  bad("nested_deep_array", entry(repeat("[", 100000)), "tensor 't' is an array");
  bad("nested_deep_object", file(repeat("{\"a\":", 100000)), "tensor 'a' has the unknown field 'a'");
  bad("nested_deep_in_shape", entry(R"({"dtype":"U8","shape":)" + repeat("[", 100000)),
      "tensor 't' has an array in its shape");
  bad("nested_deep_in_metadata", file(R"({"__metadata__":)" + repeat("{\"a\":", 100000)),
      "__metadata__ holds an object");
  bad("name_twice", file("{\"t\":" + good + ",\"t\":" + good + "}", 8),
      "begins at byte 0 of the data, inside the tensor before it");
  bad("name_twice_of_nothing",
      file(
          R"({"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"t":{"dtype":"I8","shape":[0],"data_offsets":[0,0]}})"),
      "tensor 't' appears twice");
  bad("name_twice_escaped",
      file(
          R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0074":{"dtype":"I8","shape":[1],"data_offsets":[1,2]}})",
          2),
      "tensor 't' appears twice");
  bad("name_empty", file("{\"\":" + good + "}", 8), "has a tensor with an empty name");
  bad("metadata_not_object", file(R"({"__metadata__":"x"})"), "__metadata__");
  bad("metadata_array", file(R"({"__metadata__":[]})"), "__metadata__ is an array");
  bad("metadata_not_string", file(R"({"__metadata__":{"a":1}})"), "__metadata__ holds a number, expected strings only");
  bad("metadata_null", file(R"({"__metadata__":{"a":null}})"), "__metadata__ holds null");
  bad("metadata_twice", file(R"({"__metadata__":{},"__metadata__":{}})"), "__metadata__ appears twice");
  bad("metadata_key_twice", file(R"({"__metadata__":{"a":"1","a":"2"}})"), "has the key 'a' twice");
  bad("entry_is_string", entry("\"x\""), "tensor 't'");
  bad("entry_is_null", entry("null"), "tensor 't' is null, expected an object");
  bad("entry_is_number", entry("-1"), "tensor 't' is a negative number, expected an object");
  bad("entry_empty", entry("{}"), "lacks one of dtype, shape and data_offsets");
  bad("dtype_missing", entry(R"({"shape":[8],"data_offsets":[0,8]})"), "lacks one of");
  bad("shape_missing", entry(R"({"dtype":"U8","data_offsets":[0,8]})"), "lacks one of");
  bad("offsets_missing", entry(R"({"dtype":"U8","shape":[8]})"), "lacks one of");
  bad("field_twice", entry(R"({"dtype":"U8","dtype":"I8","shape":[8],"data_offsets":[0,8]})"),
      "has the field 'dtype' twice");
  bad("field_unknown", entry(R"({"dtype":"U8","shape":[8],"data_offsets":[0,8],"x":1})"), "has the unknown field 'x'");
  bad("dtype_unknown", entry(R"({"dtype":"Q3","shape":[8],"data_offsets":[0,8]})"),
      "tensor 't' has the unknown dtype 'Q3'", Code::kUnsupported);
  bad("dtype_lower_case", entry(R"({"dtype":"u8","shape":[8],"data_offsets":[0,8]})"), "unknown dtype",
      Code::kUnsupported);
  bad("dtype_number", entry(R"({"dtype":8,"shape":[8],"data_offsets":[0,8]})"),
      "has a number in its dtype, expected a string");
  bad("dtype_object", entry(R"({"dtype":{},"shape":[8],"data_offsets":[0,8]})"), "has an object in its dtype");
}

void add_number_cases(std::vector<Case>& out) {
  auto bad = [&](const char* name, const char* type, const char* shape, const char* offsets, std::string message) {
    out.push_back(
        {name,
         entry(std::string("{\"dtype\":\"") + type + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}"),
         Code::kCorrupt, std::move(message)});
  };
  bad("shape_number", "U8", "8", "[0,8]", "has a number in its shape");
  bad("shape_string", "U8", "[\"8\"]", "[0,8]", "has a string in its shape");
  bad("shape_negative", "U8", "[-8]", "[0,8]", "has a negative number in its shape, expected whole numbers from 0");
  bad("shape_negative_twice", "U8", "[-2,-4]", "[0,8]", "has a negative number in its shape");
  bad("shape_fraction", "U8", "[8.0]", "[0,8]", "not a whole one");
  bad("shape_exponent", "U8", "[8e0]", "[0,8]", "not a whole one");
  bad("shape_exponent_huge", "U8", "[1e999]", "[0,8]", "not valid JSON");
  bad("shape_2_63", "U8", "[9223372036854775808]", "[0,8]", "has a dimension of 9223372036854775808");
  bad("shape_2_64", "U8", "[18446744073709551616]", "[0,8]", "not a whole one of 64 bits");
  bad("shape_5_dims", "U8", "[1,1,1,1,8]", "[0,8]", "has more than 4 dimensions");
  bad("shape_overflow", "U8", "[4294967296,4294967296]", "[0,8]", "size overflows");
  bad("shape_overflow_by_element", "F64", "[4611686018427387904]", "[0,8]", "size overflows");
  bad("shape_overflow_then_zero", "U8", "[4294967296,4294967296,0]", "[0,8]", "size overflows");
  bad("shape_zero_then_overflow", "F32", "[0,9223372036854775807]", "[0,0]", "size overflows");
  bad("shape_overflow_beside_zero", "U8", "[4611686018427387904,0,4]", "[0,0]", "size overflows");
  bad("shape_2_63_elements", "U8", "[4294967296,2147483648]", "[0,8]", "size overflows");
  bad("shape_too_small", "U8", "[7]", "[0,8]", "has 8 bytes, but U8 7 needs 7");
  bad("shape_too_large", "F32", "[3]", "[0,8]", "has 8 bytes, but F32 3 needs 12");
  bad("offsets_1", "U8", "[8]", "[0]", "has 1 data_offsets, expected 2");
  bad("offsets_3", "U8", "[8]", "[0,8,8]", "has more than 2 data_offsets");
  bad("offsets_negative", "U8", "[8]", "[-8,0]", "has a negative number in its data_offsets");
  bad("offsets_reversed", "U8", "[8]", "[8,0]", "ends at 0 before it begins at 8");
  bad("offsets_past_end", "U8", "[9]", "[0,9]", "ends at byte 9 of the data but there are 8 (truncated download?)");
  bad("offsets_overflow", "U8", "[8]", "[18446744073709551608,18446744073709551615]",
      "ends at byte 18446744073709551615");
  bad("offsets_hole_at_start", "U8", "[4]", "[4,8]", "leaves a hole from 0");
  bad("offsets_hole_at_end", "U8", "[4]", "[0,4]", "4 bytes of data belong to no tensor");

  auto two = [&](const char* name, const char* a, const char* b, std::string message) {
    std::string json = std::string(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)") + a +
                       R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}";
    out.push_back({name, file(json, 9), Code::kCorrupt, std::move(message)});
  };
  two("offsets_overlap", "[0,4]", "[3,7]", "tensor 'b' begins at byte 3 of the data, inside the tensor before it");
  two("offsets_same", "[0,4]", "[0,4]", "inside the tensor before it");
  two("offsets_hole", "[0,4]", "[5,9]", "tensor 'b' begins at byte 5 of the data, which leaves a hole from 4");
}

}  // namespace

std::string good_safetensors() {
  return file(
      R"({"__metadata__":{"format":"pt"},"scalar":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
      R"("w":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},"none":{"dtype":"I64","shape":[0,3],"data_offsets":[16,16]},)"
      R"("codes":{"dtype":"U8","shape":[5],"data_offsets":[16,21]},"odd":{"dtype":"F32","shape":[1],"data_offsets":[21,25]}}   )",
      25);
}

std::vector<Case> safetensors_cases() {
  std::vector<Case> out;
  add_envelope_cases(out);
  add_form_cases(out);
  add_number_cases(out);
  return out;
}

}  // namespace facet::malformed
