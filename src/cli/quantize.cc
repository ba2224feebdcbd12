// facet quantize: post-training quantization.
#include <fmt/format.h>

#include <filesystem>

#include "base/mapped_file.h"
#include "base/rng.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "ptq/quantize.h"

namespace facet::cli {
namespace {

struct QuantizeFlags {
  std::string model, scheme = "q4_0", method = "rtn", out, text, activations = "percentile";
  std::vector<std::string> rules;
  int context = 256, windows = 64, threads = 1;
  std::uint64_t seed = 1;
  bool verbose = false;
};

// n windows of <bos> and context - 1 tokens, drawn from the whole text.
Result<std::vector<std::vector<int>>> calibration_windows(const QuantizeFlags& flags, const Tokenizer& tokenizer,
                                                          int bos) {
  FACET_ASSIGN(std::string text, read_text_file(flags.text));
  std::vector<int> ids = stream_of_documents(text, tokenizer, bos);
  auto length = static_cast<std::size_t>(flags.context) - 1;
  if (ids.size() < length)
    return invalid_argument(fmt::format("{}: {} tokens, one window needs {}", flags.text, ids.size(), length));
  Rng rng(flags.seed, 0x63616c);  // a stream of its own: "cal"
  std::vector<std::vector<int>> out;
  for (int w = 0; w < flags.windows; ++w) {
    std::size_t start = rng.below(static_cast<std::uint32_t>(ids.size() - length + 1));
    out.emplace_back(1, bos);
    out.back().insert(out.back().end(), ids.begin() + std::ptrdiff_t(start),
                      ids.begin() + std::ptrdiff_t(start + length));
  }
  return out;
}

Result<BitRule> parse_rule(const std::string& text) {
  std::size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0 || equals + 2 != text.size() || !std::isdigit(text.back()))
    return invalid_argument("--rule '" + text + "': expected PATTERN=BITS, such as embed_tokens$=4");
  return BitRule{text.substr(0, equals), text.back() - '0'};
}

Status run_quantize(const QuantizeFlags& flags) {
  FACET_ASSIGN(std::string path, model_path_or_builtin(flags.model));
  PtqOptions options;
  FACET_ASSIGN(options.scheme, parse_scheme(flags.scheme));
  for (const std::string& text : flags.rules) {
    FACET_ASSIGN(BitRule rule, parse_rule(text));
    options.scheme.rules.push_back(std::move(rule));
  }
  FACET_TRY(check_out(flags.out, options.scheme));
  std::error_code ignored;
  if (std::filesystem::equivalent(path, flags.out, ignored))
    return invalid_argument("--out " + flags.out + ": is the model itself; take another name");
  FACET_ASSIGN(options.method, parse_ptq_method(flags.method));
  options.activations = flags.activations == "absmax" ? ActivationRange::kAbsmax
                        : flags.activations == "none" ? ActivationRange::kNone
                                                      : ActivationRange::kPercentile;
  FACET_ASSIGN(Checkpoint model, load_checkpoint(path));
  FACET_ASSIGN(Tokenizer tokenizer, load_tokenizer(path));
  FACET_ASSIGN(const Companions beside, load_companions(path));
  bool calibrated = options.method == PtqMethod::kImatrix || options.method == PtqMethod::kGptq ||
                    (options.scheme.kind == Scheme::Kind::kMobile && options.activations != ActivationRange::kNone);
  if (calibrated) {
    if (flags.text.empty())
      return invalid_argument(fmt::format("--text is needed: {} {} calibrates on text", flags.scheme, flags.method));
    FACET_ASSIGN(options.calibration, calibration_windows(flags, tokenizer, model.config.bos_token));
  }
  options.seed = flags.seed;
  options.threads = flags.threads;
  options.stop = &interrupted;
  Progress progress;
  options.progress = [&](const std::string& tensor, int done, int total) {
    progress.show(fmt::format("{} ({}/{})", tensor, done, total), done == total);
  };
  FACET_ASSIGN(PtqResult result, quantize_checkpoint(model, options));
  progress.finish();
  FACET_TRY(save_checkpoint(flags.out, result.checkpoint, tokenizer, {}, beside));
  note_towers(flags.out, result.checkpoint, beside);
  std::string out;
  if (flags.verbose)
    for (const TensorReport& t : result.report.tensors)
      out += fmt::format("{:<48} {:>5} {:>8} relative error {:.4f}\n", t.name, info(t.type).name, name_of(t.method),
                         t.relative_error);
  if (result.report.n_experts_by_mse > 0)
    out += fmt::format("{} expert matrices saw too few tokens and were quantized by mse\n",
                       result.report.n_experts_by_mse);
  out += fmt::format("{}: {} {}, {:.2f} bits per weight\n", flags.out, flags.scheme, flags.method,
                     result.checkpoint.bits_per_weight());
  return write_output("", out);
}

}  // namespace

void add_quantize(CLI::App& app, Status& status) {
  auto flags = std::make_shared<QuantizeFlags>();
  CLI::App* verb = app.add_subcommand("quantize", "quantize a float model after training");
  option(verb, "-m,--model", flags->model, "model folder or .gguf file (default: the built-in model)");
  option(verb, "--scheme", flags->scheme, "q4_0, q8_0 or mobile");
  option(verb, "--method", flags->method, "rtn, mse, imatrix or gptq");
  option(verb, "--out", flags->out, "q4_0, q8_0: a .gguf file; mobile: a folder")->required();
  option(verb, "--text", flags->text, "calibration text (imatrix, gptq, and the activation ranges of mobile)");
  option(verb, "-c,--ctx-size", flags->context, "tokens per calibration window")->check(CLI::Range(2, 1 << 17));
  option(verb, "--windows", flags->windows, "calibration windows")->check(CLI::Range(1, 1 << 20));
  option(verb, "-s,--seed", flags->seed, "which windows");
  verb->add_option("--rule", flags->rules,
                   "mobile: PATTERN=BITS, looked at before the scheme's own; may be given more than once");
  option(verb, "--activations", flags->activations, "mobile: range of static activations")
      ->check(CLI::IsMember({"percentile", "absmax", "none"}));
  verb->add_flag("-v,--verbose", flags->verbose, "list every tensor");
  threads_option(verb, flags->threads);
  verb->callback([flags, &status] { status = run_quantize(*flags); });
}

}  // namespace facet::cli
