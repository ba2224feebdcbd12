#include "train/train_config.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <type_traits>
#include <utility>

#include "base/mapped_file.h"

namespace facet::train {
namespace {

using Json = nlohmann::ordered_json;

// The one list of fields; everything else in this file is a visitor of it.
template <typename Config, typename Visitor>
void visit(Config& c, Visitor&& v) {
  v("init", c.init, "model to start from: a Hugging Face folder or a .gguf file");
  v("model", c.model, "from scratch instead: a preset name or a config.json");
  v("tokenizer", c.tokenizer, "where the tokenizer lies (default: with init)");
  v("teacher", c.teacher, "model whose distribution the loss kl follows");
  v("train_text", c.train_text, "training text, or token ids (.u32)");
  v("valid_text", c.valid_text, "validation text, or token ids (.u32)");
  v("context", c.context, "tokens per window");
  v("window_bos", c.window_bos, "begin every window with <bos>");
  v("batch_size", c.batch_size, "windows per micro-batch and process");
  v("grad_accum", c.grad_accum, "micro-batches per step");
  v("max_steps", c.max_steps, "optimizer steps");
  v("max_tokens", c.max_tokens, "training tokens, instead of max_steps");
  v("loss", c.loss, "ce: labels, kl: the teacher's distribution");
  v("label_weight", c.label_weight, "with loss kl: weight of the labels' cross entropy beside it");
  v("lr", c.lr, "peak learning rate");
  v("lr_min_ratio", c.lr_min_ratio, "learning rate at the end, as a share of the peak");
  v("warmup", c.warmup, "steps of linear warm-up, or below 1 their share of all steps");
  v("schedule", c.schedule, "cosine, wsd or constant");
  v("decay_share", c.decay_share, "wsd: share of the steps that cool down");
  v("weight_decay", c.weight_decay, "decoupled weight decay of matrices");
  v("clip", c.clip, "largest global gradient norm, 0 = none");
  v("beta1", c.beta1, "AdamW");
  v("beta2", c.beta2, "AdamW");
  v("eps", c.eps, "AdamW");
  v("embedding_lr", c.embedding_lr, "learning-rate multiplier of embedding and head, 0 = frozen");
  v("ple_lr", c.ple_lr, "learning-rate multiplier of the per-layer embedding table, 0 = frozen");
  v("freeze", c.freeze, "regular expressions of tensors that stay as they are");
  v("seed", c.seed, "of initial weights and data order");
  v("scheme", c.scheme, "quantization-aware training: none, q4_0 or mobile");
  v("rules", c.qat.scheme.rules, "mobile: module pattern = bits, the first match decides");
  v("learned_scales", c.qat.learned_q4_0_scales, "q4_0: block scales are trained");
  v("scale_lr", c.qat.scale_lr, "relative learning rate of weight scales");
  v("activation_scale_lr", c.qat.activation_scale_lr, "relative learning rate of activation scales");
  v("scale_clip", c.qat.scale_clip, "largest gradient norm of scales");
  v("scale_start", c.qat.scale_start, "share of the steps before scales move");
  v("act_start", c.qat.act_start, "share of the steps before int8 activations");
  v("kv_start", c.qat.kv_start, "share of the steps before the int8 cache");
  v("freeze_at", c.qat.freeze_at, "share of the steps after which scales stand still");
  v("act_percentile", c.qat.act_percentile, "of |x|, the first range of an activation");
  v("quantize_activations", c.qat.quantize_activations, "mobile: static int8 activations");
  v("quantize_kv", c.qat.quantize_kv, "mobile: int8 cache");
  v("calibration_windows", c.qat.calibration_windows, "windows of training text per calibration");
  v("anchor", c.qat.anchor, "pull of the weights to where they began, 0 = none");
  v("dampening", c.qat.dampening, "pull of the weights to their grid, 0 = none");
  v("draft_steps", c.draft_steps, "train a drafter for the teacher: drafts in a row, 0 = train a model");
  v("draft_decay", c.draft_decay, "drafter: weight of a draft, relative to the one before");
  v("draft_length_share", c.draft_length_share,
    "drafter: share of the steps, the last, that go for the length of accepted drafts");
  v("draft_overlap", c.draft_overlap,
    "drafter: what they take for accepted, best (greedy text) or shared (drawn text)");
  v("drafter_hidden", c.drafter_hidden, "drafter from scratch: width");
  v("drafter_ffn", c.drafter_ffn, "drafter from scratch: feed-forward width");
  v("drafter_heads", c.drafter_heads, "drafter from scratch: query heads, 0 = four or a few more");
  v("centroids", c.centroids, "drafter: clusters of an ordered head, trained last, 0 = a dense head");
  v("centroids_used", c.centroids_used, "drafter: clusters whose tokens get a logit, 0 = one of 64");
  v("centroid_steps", c.centroid_steps, "drafter: steps of the clusters, 0 = a quarter of the others");
  v("eval_every", c.eval_every, "steps between validations, 0 = only at the end");
  v("eval_windows", c.eval_windows, "validation windows, 0 = all");
  v("save_every", c.save_every, "steps between saves, 0 = only at the end");
  v("output_dir", c.output_dir, "folder for best/, last/, state/ and the log");
  v("resume", c.resume, "go on from the state in output_dir");
  v("overwrite", c.overwrite, "start afresh although output_dir holds a state");
  v("save_dtype", c.save_dtype, "of best/ and last/: f32 or bf16");
  v("log_file", c.log_file, "JSON lines (default: output_dir/log.jsonl)");
  v("log_every", c.log_every, "steps between log lines");
  v("threads", c.threads, "0 = all processors");
  v("device", c.device, "cpu or cuda");
  v("dtype", c.dtype, "of matrix products: f32, bf16, or auto: bf16 where the device is faster at it");
  v("checkpoint_blocks", c.checkpoint_blocks, "recompute blocks in backward: less memory, a third more time");
}

template <typename T>
std::string type_name() {
  if constexpr (std::is_same_v<T, bool>) return "bool";
  if constexpr (std::is_integral_v<T>) return "int";
  if constexpr (std::is_floating_point_v<T>) return "float";
  if constexpr (std::is_same_v<T, std::string>) return "string";
  if constexpr (std::is_same_v<T, std::vector<std::string>>) return "list";
  return "rules";
}

Json to_value(const std::vector<BitRule>& rules) {
  Json array = Json::array();
  for (const BitRule& rule : rules) array.push_back(Json::array({rule.pattern, rule.bits}));
  return array;
}
template <typename T>
Json to_value(const T& value) {
  return Json(value);
}

Status wrong_type(std::string_view key, std::string_view wanted, const Json& found) {
  std::string text = found.dump();
  if (text.size() > 60) text = text.substr(0, 60) + "...";
  return invalid_argument("training config: '" + std::string(key) + "' must be " + std::string(wanted) + ", not " +
                          text);
}

template <typename T>
Status from_value(std::string_view key, const Json& json, T& out) {
  if constexpr (std::is_same_v<T, bool>) {
    if (!json.is_boolean()) return wrong_type(key, "true or false", json);
    out = json.get<bool>();
  } else if constexpr (std::is_integral_v<T>) {
    // A whole number written as 1e6 is welcome.
    double d = json.is_number() ? json.get<double>() : std::nan("");
    bool exact = json.is_number_integer() || (std::floor(d) == d && std::abs(d) < 9e15);
    if (!exact) return wrong_type(key, "a whole number", json);
    bool fits = std::is_signed_v<T> ? d >= static_cast<double>(std::numeric_limits<T>::min()) : d >= 0;
    if (!fits || d > static_cast<double>(std::numeric_limits<T>::max()))
      return wrong_type(key, "a number in range", json);
    if (json.is_number_unsigned())
      out = static_cast<T>(json.get<std::uint64_t>());
    else
      out = json.is_number_integer() ? static_cast<T>(json.get<std::int64_t>()) : static_cast<T>(d);
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!json.is_number()) return wrong_type(key, "a number", json);
    out = json.get<double>();
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!json.is_string()) return wrong_type(key, "a string", json);
    out = json.get<std::string>();
  } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    if (!json.is_array()) return wrong_type(key, "a list of strings", json);
    T items;
    for (const Json& item : json) {
      if (!item.is_string()) return wrong_type(key, "a list of strings", json);
      items.push_back(item.get<std::string>());
    }
    out = std::move(items);
  } else {
    if (!json.is_array()) return wrong_type(key, "a list of [pattern, bits]", json);
    T rules;
    for (const Json& item : json) {
      if (!item.is_array() || item.size() != 2 || !item[0].is_string() || !item[1].is_number_integer())
        return wrong_type(key, "a list of [pattern, bits]", item);
      rules.push_back({item[0].get<std::string>(), item[1].get<int>()});
    }
    out = std::move(rules);
  }
  return {};
}

// A flag's text as the JSON value that the field's type wants.
Result<Json> text_to_value(const ConfigField& field, std::string_view text) {
  auto refuse = [&](std::string_view wanted) -> Status {
    return invalid_argument("'" + field.key + "' must be " + std::string(wanted) + ", not '" + std::string(text) + "'");
  };
  if (field.type == "string") return Json(std::string(text));
  if (field.type == "bool") {
    for (std::string_view yes : {"1", "true", "on", "enabled"})
      if (text == yes) return Json(true);
    for (std::string_view no : {"0", "false", "off", "disabled"})
      if (text == no) return Json(false);
    return refuse("on or off");
  }
  if (field.type == "int" || field.type == "float") {
    std::string_view digits = text;
    double factor = 1;
    if (field.type == "int" && !digits.empty()) {
      char suffix = digits.back();
      factor = suffix == 'k' || suffix == 'K' ? 1e3 : suffix == 'M' ? 1e6 : suffix == 'G' ? 1e9 : 1;
      if (factor != 1) digits.remove_suffix(1);
    }
    double value = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || !std::isfinite(value))
      return refuse(field.type == "int" ? "a whole number (20M means 20000000)" : "a number");
    std::uint64_t whole = 0;  // seeds use all 64 bits, more than a double holds
    auto [whole_end, whole_error] = std::from_chars(digits.data(), digits.data() + digits.size(), whole);
    if (factor == 1 && whole_error == std::errc() && whole_end == end) return Json(whole);
    return Json(value * factor);
  }
  Json array = Json::array();
  while (!text.empty()) {
    std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    if (field.type == "list") {
      array.push_back(std::string(item));
      continue;
    }
    std::size_t equals = item.rfind('=');
    int bits = 0;
    if (equals == std::string_view::npos ||
        std::from_chars(item.data() + equals + 1, item.data() + item.size(), bits).ptr != item.data() + item.size())
      return invalid_argument("'" + field.key + "' must be a list of pattern=bits, not '" + std::string(item) + "'");
    array.push_back(Json::array({std::string(item.substr(0, equals)), bits}));
  }
  return array;
}

// Levenshtein distance; keys are short.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      std::size_t next = std::min({row[j + 1] + 1, row[j] + 1, diagonal + (a[i] != b[j])});
      diagonal = std::exchange(row[j + 1], next);
    }
  }
  return row[b.size()];
}

std::string normal_key(std::string_view key) {
  std::string normal(key);
  std::replace(normal.begin(), normal.end(), '-', '_');
  return normal;
}

Status assign(TrainConfig& config, std::string_view key, const Json& value) {
  std::string normal = normal_key(key);
  bool found = false;
  Status status;
  visit(config, [&](std::string_view name, auto& field, std::string_view) {
    if (name != normal) return;
    found = true;
    status = from_value(name, value, field);
  });
  if (found) return status;
  return invalid_argument("training config: unknown setting '" + std::string(key) + "'; did you mean '" +
                          nearest_config_key(normal) + "'?");
}

Status require(bool condition, const std::string& message) {
  return condition ? Status() : invalid_argument("training config: " + message);
}

bool one_of(std::string_view value, std::initializer_list<std::string_view> choices) {
  return std::find(choices.begin(), choices.end(), value) != choices.end();
}

}  // namespace

const std::vector<ConfigField>& config_fields() {
  static const std::vector<ConfigField> fields = [] {
    std::vector<ConfigField> list;
    TrainConfig defaults;
    visit(defaults, [&](std::string_view name, auto& field, std::string_view help) {
      list.push_back(
          {std::string(name), type_name<std::decay_t<decltype(field)>>(), std::string(help), to_value(field).dump()});
    });
    return list;
  }();
  return fields;
}

std::string nearest_config_key(std::string_view key) {
  std::string normal = normal_key(key), best;
  std::size_t best_distance = std::numeric_limits<std::size_t>::max();
  for (const ConfigField& field : config_fields()) {
    std::size_t d = distance(normal, field.key);
    if (d < best_distance) {
      best_distance = d;
      best = field.key;
    }
  }
  return best;
}

Status set_config_field(TrainConfig& config, std::string_view key, std::string_view value) {
  std::string normal = normal_key(key);
  for (const ConfigField& field : config_fields()) {
    if (field.key != normal) continue;
    FACET_ASSIGN(Json json, text_to_value(field, value));
    return assign(config, normal, json);
  }
  return assign(config, key, Json());
}

Status parse_train_config(std::string_view text, TrainConfig& config) {
  std::set<std::string> seen;
  std::string repeated;
  auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1) {
      std::string key = normal_key(parsed.get<std::string>());
      if (!seen.insert(key).second) repeated = key;
    }
    return true;
  };
  Json json;
  try {
    json = Json::parse(text, watch, /*allow_exceptions=*/true, /*ignore_comments=*/true);
  } catch (const nlohmann::json::exception& e) {
    return invalid_argument(std::string("training config: not JSON: ") + e.what());
  }
  if (!json.is_object()) return invalid_argument("training config: the file must hold one JSON object");
  if (!repeated.empty()) return invalid_argument("training config: '" + repeated + "' is given twice");
  TrainConfig updated = config;
  for (const auto& [key, value] : json.items()) FACET_TRY(assign(updated, key, value));
  config = std::move(updated);
  return {};
}

Status load_train_config(const std::string& path, TrainConfig& config) {
  FACET_ASSIGN(std::string text, read_text_file(path, 1 << 20));
  return parse_train_config(text, config).with_prefix(path);
}

std::string to_json(const TrainConfig& config) {
  Json json = Json::object();
  visit(config,
        [&](std::string_view name, const auto& field, std::string_view) { json[std::string(name)] = to_value(field); });
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::vector<std::string> changed_fields(const TrainConfig& a, const TrainConfig& b) {
  std::map<std::string, Json> values;
  visit(a, [&](std::string_view name, const auto& field, std::string_view) {
    values[std::string(name)] = to_value(field);
  });
  std::vector<std::string> changed;
  visit(b, [&](std::string_view name, const auto& field, std::string_view) {
    if (values.at(std::string(name)) != to_value(field)) changed.emplace_back(name);
  });
  return changed;
}

Status validate(TrainConfig& c) {
  if (c.draft_steps > 0) {
    FACET_TRY(require(!c.teacher.empty(), "a drafter needs 'teacher': the model it drafts for"));
    FACET_TRY(require(c.model.empty(),
                      "'model' is not for drafters: give 'init', or drafter_hidden, drafter_ffn and drafter_heads"));
    FACET_TRY(require(c.draft_steps <= 15, "'draft_steps' must be from 0 to 15"));
    FACET_TRY(require(c.context >= c.draft_steps + 3, "'context' must be larger than 'draft_steps' + 2"));
    FACET_TRY(require(c.drafter_hidden > 0 && c.drafter_ffn > 0 && c.drafter_heads >= 0,
                      "'drafter_hidden' and 'drafter_ffn' must be above 0, 'drafter_heads' from 0"));
    FACET_TRY(require(std::isfinite(c.draft_decay) && c.draft_decay > 0, "'draft_decay' must be above 0"));
    FACET_TRY(
        require(c.draft_length_share >= 0 && c.draft_length_share <= 1, "'draft_length_share' must be from 0 to 1"));
    FACET_TRY(require(one_of(c.draft_overlap, {"best", "shared"}),
                      "'draft_overlap' is '" + c.draft_overlap + "', not one of best, shared"));
    FACET_TRY(require(c.centroids >= 0 && c.centroids_used >= 0 && c.centroids_used <= c.centroids,
                      "'centroids' must be 0 or more, 'centroids_used' from 0 to that"));
    FACET_TRY(require(c.centroid_steps >= 0, "'centroid_steps' must be 0 or more"));
    FACET_TRY(require(c.scheme != "mobile", "a drafter has no mobile scheme; none or q4_0"));
  } else {
    FACET_TRY(require(c.draft_steps == 0, "'draft_steps' must be from 0 to 15"));
    FACET_TRY(require(c.centroids == 0, "'centroids' are a drafter's"));
    FACET_TRY(require(c.init.empty() != c.model.empty(),
                      "give exactly one of 'init' (a model to go on from) and 'model' (from scratch)"));
    FACET_TRY(require(!c.tokenizer.empty() || !c.init.empty(),
                      "'model' needs 'tokenizer': a folder or .gguf file that has one"));
  }
  FACET_TRY(require(!c.train_text.empty(), "'train_text' is missing"));
  FACET_TRY(require(!c.output_dir.empty(), "'output_dir' is missing"));
  FACET_TRY(
      require((c.max_steps > 0) != (c.max_tokens > 0), "give exactly one of 'max_steps' and 'max_tokens', above 0"));
  FACET_TRY(require(c.max_steps >= 0 && c.max_tokens >= 0, "'max_steps' and 'max_tokens' cannot be negative"));
  FACET_TRY(require(one_of(c.loss, {"ce", "kl"}), "'loss' is '" + c.loss + "', not one of ce, kl"));
  FACET_TRY(require((c.loss == "kl") == !c.teacher.empty() || c.loss == "ce",
                    "loss kl needs 'teacher': the unquantized model"));
  FACET_TRY(
      require(c.label_weight == 0 || c.loss == "kl", "'label_weight' goes with loss kl; loss ce is labels alone"));
  FACET_TRY(require(one_of(c.schedule, {"cosine", "wsd", "constant"}),
                    "'schedule' is '" + c.schedule + "', not one of cosine, wsd, constant"));
  FACET_TRY(require(one_of(c.device, {"cpu", "cuda"}), "'device' is '" + c.device + "', not one of cpu, cuda"));
  FACET_TRY(
      require(one_of(c.dtype, {"f32", "bf16", "auto"}), "'dtype' is '" + c.dtype + "', not one of f32, bf16, auto"));
  FACET_TRY(
      require(one_of(c.save_dtype, {"f32", "bf16"}), "'save_dtype' is '" + c.save_dtype + "', not one of f32, bf16"));
  FACET_TRY(require(one_of(c.scheme, {"none", "q4_0", "mobile"}),
                    "'scheme' is '" + c.scheme + "', not one of none, q4_0, mobile"));
  FACET_TRY(require(c.scheme == "mobile" || c.qat.scheme.rules.empty(), "'rules' are for scheme mobile only"));
  FACET_TRY(require(c.context >= 2 && c.context <= 1 << 20, "'context' must be from 2 to 1048576"));
  FACET_TRY(require(c.batch_size >= 1 && c.batch_size <= 1 << 16, "'batch_size' must be from 1 to 65536"));
  FACET_TRY(require(c.grad_accum >= 1 && c.grad_accum <= 1 << 20, "'grad_accum' must be from 1 to 1048576"));
  FACET_TRY(require(c.eval_every >= 0 && c.eval_windows >= 0 && c.save_every >= 0,
                    "'eval_every', 'eval_windows' and 'save_every' cannot be negative"));
  FACET_TRY(require(c.log_every >= 1, "'log_every' must be at least 1"));
  FACET_TRY(require(c.threads >= 0 && c.threads <= 4096, "'threads' must be from 0 to 4096"));
  FACET_TRY(require(c.qat.calibration_windows >= 1, "'calibration_windows' must be at least 1"));
  FACET_TRY(
      require(c.beta1 >= 0 && c.beta1 < 1 && c.beta2 >= 0 && c.beta2 < 1, "'beta1' and 'beta2' must be in [0, 1)"));
  FACET_TRY(require(c.eps > 0, "'eps' must be above 0"));
  FACET_TRY(require(c.qat.act_percentile > 0 && c.qat.act_percentile <= 100, "'act_percentile' must be in (0, 100]"));
  for (auto [name, value] : {std::pair{"lr", c.lr},
                             {"label_weight", c.label_weight},
                             {"warmup", c.warmup},
                             {"weight_decay", c.weight_decay},
                             {"clip", c.clip},
                             {"embedding_lr", c.embedding_lr},
                             {"ple_lr", c.ple_lr},
                             {"scale_lr", c.qat.scale_lr},
                             {"activation_scale_lr", c.qat.activation_scale_lr},
                             {"scale_clip", c.qat.scale_clip},
                             {"dampening", c.qat.dampening},
                             {"anchor", c.qat.anchor}})
    FACET_TRY(
        require(std::isfinite(value) && value >= 0, std::string("'") + name + "' must be a finite number from 0"));
  for (auto [name, value] : {std::pair{"lr_min_ratio", c.lr_min_ratio},
                             {"decay_share", c.decay_share},
                             {"scale_start", c.qat.scale_start},
                             {"act_start", c.qat.act_start},
                             {"kv_start", c.qat.kv_start},
                             {"freeze_at", c.qat.freeze_at}})
    FACET_TRY(require(value >= 0 && value <= 1, std::string("'") + name + "' is a share, from 0 to 1"));
  FACET_TRY(require(c.lr * c.qat.anchor <= 1, "'anchor' times 'lr' must not be above 1: the pull would overshoot"));
  FACET_TRY(require(!(c.resume && c.overwrite), "'resume' and 'overwrite' contradict each other"));
  FACET_ASSIGN(Scheme scheme, parse_scheme(c.scheme));
  c.qat.scheme.kind = scheme.kind;
  return {};
}

std::int64_t total_steps(const TrainConfig& c, int n_processes) {
  if (c.max_steps > 0) return c.max_steps;
  std::int64_t per_step = std::int64_t{c.context} * c.batch_size * c.grad_accum * n_processes;
  return (c.max_tokens + per_step - 1) / per_step;
}

}  // namespace facet::train
