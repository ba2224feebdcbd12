// facet convert: a model in another form, exactly.
#include <fmt/format.h>

#include <filesystem>

#include "cli/cli.h"
#include "cli/progress.h"
#include "model/convert.h"
#include "model/drafter.h"

namespace facet::cli {
namespace {

struct ConvertFlags {
  std::string model, to, out;
  bool allow_ptq = false, dense_head = false;
  int threads = 1;
};

Status run_convert(const ConvertFlags& flags) {
  FACET_ASSIGN(const std::string path, model_path_or_builtin(flags.model));
  FACET_ASSIGN(const bool drafter, is_drafter(path));
  if (drafter) return convert_drafter_file(path, flags.to, flags.out, flags.dense_head, flags.threads);
  if (flags.dense_head) return invalid_argument("--dense-head is for drafters; " + path + " is a model");
  FACET_ASSIGN(const ConvertTarget target, parse_convert_target(flags.to));
  if (is_gguf(target) != flags.out.ends_with(".gguf"))
    return invalid_argument(
        fmt::format("--out {}: {} goes to a {}", flags.out, flags.to, is_gguf(target) ? ".gguf file" : "folder"));
  if (std::error_code ignored; std::filesystem::equivalent(path, flags.out, ignored))
    return invalid_argument("--out " + flags.out + ": is the model itself; take another name");
  FACET_ASSIGN(const Checkpoint model, load_checkpoint(path));
  FACET_ASSIGN(const Tokenizer tokenizer, load_tokenizer(path));
  FACET_ASSIGN(const Companions beside, load_companions(path));
  ThreadPool pool(flags.threads);
  Progress progress;
  ConvertOptions options{.allow_ptq = flags.allow_ptq, .stop = &interrupted, .progress = {}};
  options.progress = [&](const std::string& tensor, int done, int total) {
    progress.show(fmt::format("{} ({}/{})", tensor, done, total));
  };
  auto conversion = Conversion::create(model, target, options, pool);
  if (!conversion.ok()) return conversion.status().with_prefix(path);
  FACET_TRY(
      save_checkpoint(flags.out, conversion->outline(), tokenizer, conversion->stream(), beside).with_prefix(path));
  progress.finish();
  const ConvertReport& report = conversion->report();
  for (const std::string& note : report.notes) std::fprintf(stderr, "note: %s\n", note.c_str());
  note_towers(flags.out, conversion->outline(), beside);
  for (const OffGrid& off : report.off_grid)
    std::fprintf(stderr, "note: '%s': %lld of %lld groups lay off the grid and were rounded\n", off.tensor.c_str(),
                 static_cast<long long>(off.n_off), static_cast<long long>(off.n_groups));
  std::string exact;
  if (report.n_groups > 0)
    exact = fmt::format(", {} of {} groups exact ({:.2f} %)", report.n_groups - report.n_off, report.n_groups,
                        100.0 * double(report.n_groups - report.n_off) / double(report.n_groups));
  return write_output("", fmt::format("{}: {}{}\n", flags.out, flags.to, exact));
}

}  // namespace

void add_convert(CLI::App& app, Status& status) {
  auto flags = std::make_shared<ConvertFlags>();
  CLI::App* verb = app.add_subcommand("convert", "write a model in another form, exactly where its weights allow it");
  option(verb, "-m,--model", flags->model, "model folder or .gguf file (default: the built-in model)");
  option(verb, "--to", flags->to, "q4_0-gguf, bf16-gguf, mobile, w4a16 or hf; drafters: also q8_0-gguf")->required();
  option(verb, "--out", flags->out, "a .gguf file for the first two, else a folder")->required();
  verb->add_flag("--allow-ptq", flags->allow_ptq, "round weights that lie off the grid instead of failing (exit 4)");
  verb->add_flag("--dense-head", flags->dense_head,
                 "drafters: leave clusters out (llama.cpp refuses files that have them)");
  threads_option(verb, flags->threads);
  verb->callback([flags, &status] { status = run_convert(*flags); });
}

}  // namespace facet::cli
