// record.h: everything measured about one model, as `facet eval --format json` writes it and `facet report` reads it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "eval/task_eval.h"
#include "eval/text_eval.h"

namespace facet {

struct ReferenceRecord {
  std::string path, sha256;
  Divergence divergence;
};

struct EvalRecord {
  std::string path, sha256;      // of the model's weights
  std::string scheme = "none";   // none | q8_0 | q4_0 | mobile
  std::string method = "float";  // float | rtn | mse | imatrix | gptq | qat
  std::string label;             // tells arms of the same scheme and method apart, e.g. "more training"; may be empty
  std::string text_path;
  int context = 0;
  TextEval text;
  std::vector<ReferenceRecord> references;  // as text.against
  std::optional<TaskEval> tasks;
  double bits_per_weight = 0;
  std::uint64_t file_bytes = 0;
  // Of a fresh process that loads the model alone and generates (measure.h).
  std::uint64_t peak_rss_bytes = 0;
  double tokens_per_second = 0;
};

std::string to_json(const EvalRecord& record);
// kCorrupt says which key is missing or of the wrong type.
Result<EvalRecord> parse_eval_record(const std::string& json, const std::string& origin);
// For a terminal, in the terms users of perplexity tools know.
std::string to_text(const EvalRecord& record);

// SHA-256 (hex) of a .gguf file, or of a folder's *.safetensors in name order.
Result<std::string> model_sha256(const std::string& path);
// Bytes of the same files plus, for a folder, its json files.
Result<std::uint64_t> model_file_bytes(const std::string& path);

}  // namespace facet
