// train_config.h: every setting of a training run as one plain value, with its JSON form.
// A key of the JSON is a flag of `facet train` (grad_accum is --grad-accum); config_fields() is the one list of both.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "facet/status.h"
#include "train/qat_options.h"

namespace facet::train {

struct TrainConfig {
  // Where the model starts: exactly one of the two.
  std::string init;       // a Hugging Face folder or .gguf to go on from
  std::string model;      // from scratch: a preset name or a config.json
  std::string tokenizer;  // a folder or .gguf with the tokenizer; empty = that of init
  std::string teacher;    // for loss kl: a model path (often the same as init)

  // Data: UTF-8 text, or token ids as little-endian uint32 when the name ends in ".u32".
  std::string train_text, valid_text;
  int context = 256;       // tokens per window
  bool window_bos = true;  // every window begins with <bos>, as every prompt does
  int batch_size = 8;      // windows per micro-batch and process
  int grad_accum = 1;      // micro-batches per step and process

  // Length: exactly one of the two.  A step is batch_size * grad_accum * processes windows.
  std::int64_t max_steps = 0;
  std::int64_t max_tokens = 0;

  std::string loss = "ce";          // ce | kl
  double label_weight = 0;          // loss kl: + label_weight * ce
  double lr = 1e-3;                 // peak
  double lr_min_ratio = 0.0;        // of the peak, at the end
  double warmup = 0.05;             // below 1: share of all steps; else steps
  std::string schedule = "cosine";  // cosine | wsd | constant
  double decay_share = 0.2;         // wsd: share of all steps that cool down
  double weight_decay = 0.0;        // matrices only
  double clip = 1.0;                // global gradient norm; 0 = none
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8;
  double embedding_lr = 1.0;        // multiplier for the token embedding and head; 0 = frozen
  double ple_lr = 1.0;              // multiplier for the per-layer embedding table; 0 = frozen
  std::vector<std::string> freeze;  // regular expressions, searched in canonical tensor names
  std::uint64_t seed = 1;

  std::string scheme = "none";  // none | q4_0 | mobile; qat.scheme follows from it and from qat.scheme.rules
  QatOptions qat;

  std::int64_t eval_every = 100;
  std::int64_t eval_windows = 64;  // of valid_text, evenly spread; 0 = all of them
  std::int64_t save_every = 500;   // resume state and last/
  std::string output_dir;
  bool resume = false;             // go on from output_dir/state
  bool overwrite = false;          // start afresh although output_dir/state exists
  std::string save_dtype = "f32";  // f32 | bf16: of best/ and last/
  std::string log_file;            // JSON lines; empty = output_dir/log.jsonl
  std::int64_t log_every = 10;

  int threads = 0;  // 0 = the processors this process may use
  // A drafter of the teacher instead of a model (drafter_graph.h): 0 = no.
  int draft_steps = 0;
  double draft_decay = 0.8;
  double draft_length_share = 0.15;    // of the steps, the last: they go for the length of what is kept
  std::string draft_overlap = "best";  // best | shared: what they take for right (loss.h, Overlap)
  int drafter_hidden = 256, drafter_ffn = 2048, drafter_heads = 0;  // of a fresh one
  // An ordered head: the drafter trains with a dense one first (or is that of init), then its clusters do, alone.
  int centroids = 0;                // 0 = a dense head
  int centroids_used = 0;           // 0 = one of 64
  std::int64_t centroid_steps = 0;  // 0 = a quarter of the others; with init: as the others

  std::string device = "cpu";  // cpu | cuda
  std::string dtype = "f32";   // f32 | bf16 | auto: matrix products
  bool checkpoint_blocks = false;
};

struct ConfigField {
  std::string key;   // "grad_accum"
  std::string type;  // "string" "int" "float" "bool" "list" "rules"
  std::string help;
  std::string default_value;  // as JSON
};
// All fields in the order they are printed.
const std::vector<ConfigField>& config_fields();
// The key nearest to `key` in spelling.
std::string nearest_config_key(std::string_view key);

// Sets one field from text, as a flag gives it: "3e-4", "20M" (k, M, G), "true"; lists and rules take comma-separated
// items
// ("embed_tokens$=4,mlp=2").  '-' and '_' in key are the same.
Status set_config_field(TrainConfig& config, std::string_view key, std::string_view value);

// Reads a JSON object over the values already in `config`.  Unknown keys, wrong types and repeated keys are
// kInvalidArgument.
Status parse_train_config(std::string_view json, TrainConfig& config);
Status load_train_config(const std::string& path, TrainConfig& config);
// Every field, defaults included: the "effective config".
std::string to_json(const TrainConfig& config);

// Keys whose values differ.
std::vector<std::string> changed_fields(const TrainConfig& a, const TrainConfig& b);

// Ranges, contradictions, missing settings; fills qat.scheme from `scheme`.  Files are not opened.
Status validate(TrainConfig& config);
// max_steps, or max_tokens divided by the tokens of a step, rounded up.
std::int64_t total_steps(const TrainConfig& config, int n_processes);

}  // namespace facet::train
