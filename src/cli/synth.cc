// facet synth: a model of random weights, at full size.
#include <fmt/format.h>

#include "cli/cli.h"
#include "cli/progress.h"
#include "model/drafter.h"
#include "model/synthetic.h"

namespace facet::cli {
namespace {

struct SynthFlags {
  std::string preset, scheme = "q4_0", tables, tokenizer, out;
  std::uint64_t seed = 1;
  int threads = 1;
};

Status run_synth(const SynthFlags& flags) {
  const bool drafter = flags.preset.ends_with("-drafter");
  FACET_ASSIGN(GemmaConfig config, drafter ? drafter_preset(flags.preset) : preset(flags.preset));
  const bool floats = flags.scheme == "bf16" || flags.scheme == "f16";
  FACET_ASSIGN(Scheme scheme, parse_scheme(floats ? "none" : flags.scheme));
  if (scheme.kind == Scheme::Kind::kNone && !floats) return invalid_argument("--scheme none: say bf16 or f16");
  FACET_TRY(check_out(flags.out, scheme));
  if (drafter && scheme.kind == Scheme::Kind::kMobile)
    return invalid_argument("--scheme mobile: drafters are q4_0, q8_0, bf16 or f16");
  Tokenizer tokenizer = placeholder_tokenizer(config.vocab_size);
  if (!flags.tokenizer.empty()) {
    FACET_ASSIGN(tokenizer, load_tokenizer(flags.tokenizer));
  }
  std::optional<DType> table_type;
  if (!flags.tables.empty()) {
    table_type = dtype_from_name(flags.tables);
    if (!table_type || has_row_scales(*table_type) || is_read_only(*table_type))
      return invalid_argument("--tables " + flags.tables + ": expected q4_0, q4_k, q6_k, q8_0, f16, bf16 or f32");
  }
  const DType float_type = flags.scheme == "f16" || table_type ? DType::kF16 : DType::kBF16;
  FACET_ASSIGN(Synthetic model, Synthetic::create(config, scheme, float_type, flags.seed, table_type));
  ThreadPool pool(flags.threads);
  TensorStream weights = model.stream(pool);
  Progress progress;
  std::uint64_t written = 0;
  TensorStream shown = [&](const TensorSpec& spec, const ByteSink& write) {
    return weights(spec, [&](std::span<const std::byte> piece) -> Status {
      if (interrupted) return {Code::kCancelled, "interrupted"};
      written += piece.size();
      progress.show(fmt::format("{} {:.2f} GB", spec.name, double(written) / 1e9), false);
      return write(piece);
    });
  };
  FACET_TRY(drafter ? save_drafter(flags.out, model.outline(), tokenizer, shown)
                    : save_checkpoint(flags.out, model.outline(), tokenizer, shown));
  progress.finish();
  return write_output("", fmt::format("{}: {} {}, random weights, seed {}, {:.2f} GB of matrices\n", flags.out,
                                      flags.preset, flags.scheme, flags.seed, double(written) / 1e9));
}

}  // namespace

void add_synth(CLI::App& app, Status& status) {
  auto flags = std::make_shared<SynthFlags>();
  CLI::App* verb =
      app.add_subcommand("synth", "write a full-size model of random weights, to measure speed and memory");
  option(verb, "--preset", flags->preset, "e2b, e4b, 12b, 26b-a4b or 31b; e2b-drafter and so on for their drafters")
      ->required();
  option(verb, "--scheme", flags->scheme, "q4_0, q8_0, mobile, bf16 or f16");
  option(verb, "--tables", flags->tables,
         "type of embedding and per-layer table, q6_k as in Google's Q4_0 files (default: the scheme's)");
  option(verb, "--tokenizer", flags->tokenizer, "model whose vocabulary to put in (default: a placeholder)");
  option(verb, "--out", flags->out, "q4_0, q8_0: a .gguf file; mobile: a folder; floats: either")->required();
  option(verb, "-s,--seed", flags->seed, "same seed, same bytes");
  threads_option(verb, flags->threads);
  verb->callback([flags, &status] { status = run_synth(*flags); });
}

}  // namespace facet::cli
