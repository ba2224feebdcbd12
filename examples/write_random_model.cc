// Test support: writes a tiny model with random weights and a byte-level vocabulary:
//   write_random_model PATH [e|k_eq_v|moe|everything|wide]     "e-drafter", "k_eq_v-drafter": a drafter for that one
#include <cstdio>
#include <string>
#include <string_view>

#include "model/checkpoint.h"
#include "model/drafter.h"
#include "model/tiny_configs.h"
#include "text/tokenizer.h"

int main(int argc, char** argv) {
  std::string kind = argc == 3 ? argv[2] : "e";
  constexpr std::string_view kDrafter = "-drafter";
  const bool drafter = kind.ends_with(kDrafter);
  if (drafter) kind.resize(kind.size() - kDrafter.size());
  facet::GemmaConfig config;
  if (kind == "e")
    config = facet::tiny_e();
  else if (kind == "k_eq_v")
    config = facet::tiny_k_eq_v_dense();
  else if (kind == "moe")
    config = facet::tiny_moe();
  else if (kind == "everything")
    config = facet::tiny_everything();
  else if (kind == "wide") {  // rows of whole K-quant super-blocks
    config = facet::tiny_e();
    config.hidden_size = config.ffn_size = config.ple_size = 256;
    config.head_size = config.global_head_size = 64;
  }
  if (argc < 2 || argc > 3 || config.layers.empty()) {
    std::fprintf(stderr, "usage: write_random_model PATH [e|k_eq_v|moe|everything|wide][-drafter]\n");
    return 2;
  }
  if (drafter) config = facet::tiny_drafter(config, kind == "e" ? 16 : 0);  // clusters as E2B's and E4B's have them
  facet::Vocabulary v;
  auto add = [&](std::string piece, facet::TokenKind kind) {
    v.pieces.push_back(std::move(piece));
    v.kinds.push_back(kind);
  };
  for (const char* special : {"<pad>", "<eos>", "<bos>", "<unk>", "<mask>"}) add(special, facet::TokenKind::kControl);
  for (int byte = 0; byte < 256; ++byte) {
    char piece[8];
    std::snprintf(piece, sizeof piece, "<0x%02X>", byte);
    add(piece, facet::TokenKind::kByte);
  }
  add("\xe2\x96\x81", facet::TokenKind::kNormal);  // U+2581, a space
  for (char c = 'a'; c <= 'z'; ++c) add(std::string(1, c), facet::TokenKind::kNormal);
  add("th", facet::TokenKind::kNormal);
  v.merges = {"t h"};
  while (static_cast<int>(v.pieces.size()) < config.vocab_size)
    add("<unused" + std::to_string(v.pieces.size()) + ">", facet::TokenKind::kUnused);

  facet::Result<facet::Tokenizer> tokenizer = facet::Tokenizer::create(std::move(v));
  facet::Status status = tokenizer.status();
  if (tokenizer.ok()) {
    const facet::Checkpoint model = facet::calm_random_checkpoint(config, 1);
    status =
        drafter ? facet::save_drafter(argv[1], model, *tokenizer) : facet::save_checkpoint(argv[1], model, *tokenizer);
  }
  if (!status.ok()) std::fprintf(stderr, "write_random_model: %s\n", status.message().c_str());
  return facet::exit_code(status);
}
