// facet: everything but training, which is a program of its own (train_main.cc).
#include "cli/program.h"

int main(int argc, char** argv) {
  using namespace facet::cli;
  return run_program(
      argc, argv,
      {{add_run, add_chat, add_logits, add_quantize, add_convert, add_synth, add_inspect, add_eval, add_report,
        add_data, add_tokenizer, add_tokenize, add_train, add_train_drafter, add_bench, add_info}});
}
