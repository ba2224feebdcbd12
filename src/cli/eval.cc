// facet eval: perplexity, KL, top-1, task accuracy, size, memory and speed of one model.
#include <fmt/format.h>

#include "base/mapped_file.h"
#include "cli/cli.h"
#include "cli/eval_drafter.h"
#include "cli/progress.h"
#include "eval/measure.h"
#include "eval/record.h"
#include "model/scheme.h"

namespace facet::cli {
namespace {

struct EvalFlags {
  std::string model, text, tasks, format = "text", output, scheme, method, label;
  std::vector<std::string> references;
  int context = 256, max_windows = 0, max_tasks = 0, threads = 1;
  bool float_activations = false, no_static_scales = false;
  double max_kld = 0, min_top1 = 0;
  DraftEvalFlags drafts;
};

// What quantization and method a model says of itself, unless the user says otherwise.
std::string stated(const Model& model, const std::string& given, const char* key, const char* otherwise) {
  if (!given.empty()) return given;
  const auto& metadata = model.checkpoint().metadata;
  auto found = metadata.find(key);
  return found == metadata.end() ? otherwise : found->second;
}

Status check_gates(const EvalFlags& flags, const EvalRecord& record) {
  if (record.references.empty()) return {};
  const Divergence& d = record.references[0].divergence;
  if (flags.max_kld > 0 && d.kld_mean > flags.max_kld)
    return {Code::kGateFailed, fmt::format("mean KL {:.6f} is above --max-kld {}", d.kld_mean, flags.max_kld)};
  if (flags.min_top1 > 0 && d.top1 < flags.min_top1)
    return {Code::kGateFailed, fmt::format("top-1 agreement {:.4f} is below --min-top1 {}", d.top1, flags.min_top1)};
  return {};
}

Status run_eval(const EvalFlags& flags) {
  if (!flags.drafts.drafting.drafter.empty()) {
    if (!flags.references.empty() || !flags.tasks.empty())
      return invalid_argument("-md judges a drafter; --reference and --tasks judge models");
    DraftEvalFlags drafts = flags.drafts;
    drafts.model = flags.model;
    drafts.text = flags.text;
    drafts.format = flags.format;
    drafts.output = flags.output;
    drafts.threads = flags.threads;
    return run_eval_drafter(drafts);
  }
  if ((flags.max_kld > 0 || flags.min_top1 > 0) && flags.references.empty())
    return invalid_argument("--max-kld and --min-top1 compare with a --reference; give one");
  if (!flags.scheme.empty()) FACET_TRY(parse_scheme(flags.scheme).status());
  FACET_ASSIGN(std::string path, model_path_or_builtin(flags.model));
  EvalRecord record;
  record.path = path;
  record.text_path = flags.text;
  record.context = flags.context;
  // What is wrong with the model is said here, not by a child.
  FACET_TRY(Model::load(path).status());
  // While this process is small: the model alone in a child.
  FACET_ASSIGN(Footprint footprint, measure_footprint(path, flags.threads));
  record.peak_rss_bytes = footprint.peak_rss_bytes;
  record.tokens_per_second = footprint.tokens_per_second;

  FACET_ASSIGN(Model model, Model::load(path));
  FACET_ASSIGN(Tokenizer tokenizer, load_tokenizer(path));
  FACET_ASSIGN(record.sha256, model_sha256(path));
  FACET_ASSIGN(record.file_bytes, model_file_bytes(path));
  record.scheme = stated(model, flags.scheme, "facet.scheme", "none");
  record.method = stated(model, flags.method, "facet.method", "float");
  record.label = flags.label;
  record.bits_per_weight = model.checkpoint().bits_per_weight();

  std::vector<Model> references;
  for (const std::string& reference : flags.references) {
    FACET_ASSIGN(Model loaded, Model::load(reference));
    FACET_ASSIGN(Tokenizer its_tokenizer, load_tokenizer(reference));
    if (!(its_tokenizer == tokenizer))
      return invalid_argument(
          fmt::format("{} and {} have different vocabularies: their distributions do not compare", path, reference));
    FACET_ASSIGN(std::string sha, model_sha256(reference));
    references.push_back(std::move(loaded));
    record.references.push_back({reference, sha, {}});
  }
  std::vector<const Model*> reference_pointers;
  for (const Model& r : references) reference_pointers.push_back(&r);

  ThreadPool pool(flags.threads);
  Progress progress;
  FACET_ASSIGN(std::string text, read_text_file(flags.text));
  std::vector<int> ids = stream_of_documents(text, tokenizer, model.config().bos_token);
  EvalOptions options{.context = flags.context,
                      .max_windows = flags.max_windows,
                      .float_activations = flags.float_activations,
                      .ignore_static_scales = flags.no_static_scales};
  auto show = [&](const char* what) {
    return
        [&progress, what](int done, int all) { progress.show(fmt::format("{} {}/{}", what, done, all), done == all); };
  };
  FACET_ASSIGN(record.text, evaluate_text(model, reference_pointers, ids, options, pool, show("window"), &interrupted));
  for (std::size_t i = 0; i < record.references.size(); ++i) record.references[i].divergence = record.text.against[i];
  if (!flags.tasks.empty()) {
    FACET_ASSIGN(std::vector<Task> tasks, load_tasks(flags.tasks));
    FACET_ASSIGN(record.tasks,
                 evaluate_tasks(model, tokenizer, tasks, flags.max_tasks, pool, show("task"), &interrupted));
  }
  progress.finish();
  FACET_TRY(write_output(flags.output, flags.format == "json" ? to_json(record) : to_text(record)));
  return check_gates(flags, record);
}

}  // namespace

void add_eval(CLI::App& app, Status& status) {
  auto flags = std::make_shared<EvalFlags>();
  CLI::App* verb =
      app.add_subcommand("eval", "measure a model: perplexity, KL to a reference, tasks, size, memory, speed");
  option(verb, "-m,--model", flags->model, "model folder or .gguf file (default: the built-in model)");
  option(verb, "-f,--text", flags->text, "UTF-8 text to predict")->required();
  verb->add_option("--reference", flags->references, "model to compare with; may be given more than once");
  option(verb, "--tasks", flags->tasks, "questions with known answers (JSON lines)");
  option(verb, "--format,--output-format", flags->format, "text or json")->check(CLI::IsMember({"text", "json"}));
  option(verb, "-o,--output", flags->output, "file to write instead of standard output");
  option(verb, "-c,--ctx-size", flags->context, "positions per window")->check(CLI::Range(2, 1 << 20));
  option(verb, "--max-windows", flags->max_windows, "stop after this many windows (0: the whole text)");
  option(verb, "--max-tasks", flags->max_tasks, "stop after this many tasks (0: all)");
  option(verb, "--label", flags->label, "tells arms of one scheme and method apart in a report");
  option(verb, "--scheme", flags->scheme, "overrides what the model says of its scheme");
  option(verb, "--method", flags->method, "overrides what the model says of its method");
  option(verb, "--max-kld", flags->max_kld, "fail (exit 4) when the mean KL is above");
  option(verb, "--min-top1", flags->min_top1, "fail (exit 4) when the top-1 agreement is below");
  verb->add_flag("--float-activations", flags->float_activations, "do not quantize activations of block formats");
  verb->add_flag("--no-static-scales", flags->no_static_scales,
                 "drop a mobile model's activation clamps (to see what they do)");
  drafting_flags(verb, flags->drafts.drafting);
  option(verb, "--max-texts", flags->drafts.n_texts, "with -md: texts to write")->check(CLI::Range(1, 1 << 24));
  option(verb, "--prompt-tokens", flags->drafts.options.prompt_tokens, "with -md: tokens of --text before each")
      ->check(CLI::Range(1, 1 << 20));
  option(verb, "-n,--predict,--n-predict", flags->drafts.options.max_tokens, "with -md: tokens to write, at most")
      ->check(CLI::Range(1, 1 << 20));
  option(verb, "-s,--seed", flags->drafts.options.seed, "with -md: of prompts and draws");
  threads_option(verb, flags->threads);
  verb->callback([flags, &status] { status = run_eval(*flags); });
}

}  // namespace facet::cli
