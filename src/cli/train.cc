// facet train, facet train-drafter: from scratch, fine-tuning, distillation, quantization-aware.  facet bench train:
// the speed of its steps.
#include "cli/cli.h"

#include <fmt/format.h>

#include <set>

#include "cli/progress.h"
#include "train/trainer.h"

namespace facet::cli {

namespace {

// One flag per field of TrainConfig; a flag beats its environment variable, which beats the file, which beats the
// default.
struct TrainFlags {
  std::string config_file;
  std::map<std::string, std::string> fields;
  int bench_steps = 10;
};

// left_out: keys that the verb decides itself.
void add_fields(CLI::App* verb, const std::shared_ptr<TrainFlags>& flags, const std::set<std::string>& left_out = {}) {
  option(verb, "--config", flags->config_file, "JSON file of settings, the flags' names with '_' for '-'");
  for (const train::ConfigField& field : train::config_fields()) {
    if (left_out.contains(field.key)) continue;
    std::string name = "--" + field.key, help = fmt::format("{} [{}]", field.help, field.default_value);
    for (char& c : name)
      if (c == '_') c = '-';
    if (field.key == "threads") name = "-t," + name;
    if (field.key == "learning_rate" || field.key == "lr") name = "--learning-rate," + name;
    if (field.key == "weight_decay") name = "-w," + name;
    std::string env = "FACET_TRAIN_";
    for (char c : field.key) env += static_cast<char>(std::toupper(c));
    CLI::Option* o = verb->add_option(name, flags->fields[field.key], help)->envname(env);
    if (field.type == "bool") o->expected(0, 1)->default_str("true");
  }
}

Result<train::TrainConfig> effective_config(const CLI::App& verb, const TrainFlags& flags) {
  train::TrainConfig config;
  if (!flags.config_file.empty()) FACET_TRY(train::load_train_config(flags.config_file, config));
  for (const auto& [key, value] : flags.fields) {
    std::string name = "--" + key;
    for (char& c : name)
      if (c == '_') c = '-';
    if (verb.get_option(name)->count() == 0) continue;
    FACET_TRY(train::set_config_field(config, key, value.empty() ? "true" : value));
  }
  return config;
}

Status run_train(train::TrainConfig config) {
  Progress progress;
  train::TrainCallbacks callbacks;
  callbacks.progress = [&](const train::TrainProgress& p) {
    progress.show(train::format_progress(p), p.step == p.total_steps);
  };
  callbacks.validation = [&](const train::Validation& v) {
    progress.show(train::format_validation(v), true);
    progress.finish();
  };
  callbacks.message = [&](std::string_view text) {
    progress.show(std::string(text), true);
    progress.finish();
  };
  callbacks.cancel = &interrupted;
  FACET_ASSIGN(train::TrainSummary summary, train::train(config, callbacks));
  progress.finish();
  std::string out = fmt::format("model: {}\n", summary.model);
  if (summary.deployed != summary.model) out += fmt::format("deployed: {}\n", summary.deployed);
  if (const auto& agreement = summary.agreement) {
    for (std::size_t i = 0; i < agreement->right.size(); ++i)
      out += fmt::format("{}{} in a row right: {:.1f} %", i == 0 ? "drafts, " : ", ", i + 1, 100 * agreement->share(i));
    out += fmt::format("; {:.2f} tokens a round\n", agreement->mean_length());
  }
  out += fmt::format("{} steps, {} tokens, {:.0f} s\n", summary.steps, summary.tokens, summary.seconds);
  return write_output("", out);
}

Status run_bench_train(const CLI::App& verb, const TrainFlags& flags) {
  FACET_ASSIGN(train::TrainConfig config, effective_config(verb, flags));
  FACET_ASSIGN(train::TrainBench bench, train::bench_train(config, flags.bench_steps));
  std::string out = fmt::format("| step | tokens/s |\n|---|---|\n| float | {:.0f} |\n", bench.float_tokens_per_second);
  if (bench.qat_tokens_per_second > 0)
    out += fmt::format(
        "| {} QAT, all stages on | {:.0f} |\n\nQAT is {:.3f}x slower ({} steps of each, alternating, medians)\n",
        config.scheme, bench.qat_tokens_per_second, bench.slowdown(), bench.steps);
  return write_output("", out);
}

}  // namespace

void add_train_here(CLI::App& app, Status& status) {
  auto flags = std::make_shared<TrainFlags>();
  CLI::App* verb =
      app.add_subcommand("train", "train a model: from scratch, on from a checkpoint, or quantization-aware");
  add_fields(verb, flags);
  verb->callback([flags, verb, &status] {
    auto config = effective_config(*verb, *flags);
    status = config.ok() ? run_train(std::move(*config)) : config.status();
  });
}

// The settings of `train` that a drafter needs, under names of its own.
void add_train_drafter_here(CLI::App& app, Status& status) {
  struct Flags {
    TrainFlags train;
    std::string target, text, out;
  };
  auto flags = std::make_shared<Flags>();
  auto fields = std::shared_ptr<TrainFlags>(flags, &flags->train);
  CLI::App* verb = app.add_subcommand("train-drafter", "train a drafter for a model, which stays as it is");
  option(verb, "--target", flags->target, "the model it drafts for, as it will run: folder or .gguf file")->required();
  option(verb, "--text", flags->text, "training text, best written by the model itself")->required();
  option(verb, "--out", flags->out, "folder for best/, last/, state/ and the log")->required();
  add_fields(verb, fields, {"teacher", "train_text", "output_dir", "loss", "model"});
  verb->callback([flags, verb, &status] {
    auto config = effective_config(*verb, flags->train);
    if (!config.ok()) {
      status = config.status();
      return;
    }
    config->teacher = flags->target;
    config->train_text = flags->text;
    config->output_dir = flags->out;
    config->loss = "kl";
    if (config->draft_steps == 0) config->draft_steps = 4;
    status = run_train(std::move(*config));
  });
}

void add_bench_here(CLI::App& app, Status& status) {
  auto flags = std::make_shared<TrainFlags>();
  CLI::App* bench = app.add_subcommand("bench", "measure speed")->require_subcommand(1);
  CLI::App* verb = bench->add_subcommand("train", "tokens/s of training steps, with and without fake quantization");
  verb->add_option("--repetitions", flags->bench_steps, "steps of each kind")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  add_fields(verb, flags);
  verb->callback([flags, verb, &status] { status = run_bench_train(*verb, *flags); });
}

}  // namespace facet::cli
