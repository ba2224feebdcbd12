// bpe_train.h: a vocabulary of our own from text, laid out as Gemma's is (docs/model/tokenizer.md, "Training").
#pragma once

#include <cstddef>
#include <string_view>

#include "facet/status.h"
#include "text/tokenizer.h"

namespace facet {

struct BpeTrainOptions {
  int vocab_size = 4096;                               // exactly so many tokens come out
  std::size_t max_text_bytes = std::size_t{48} << 20;  // of a longer text, sentences spread evenly over it
  double character_coverage = 0.9999;                  // rarer characters are left to byte tokens
};

//   Vocabulary v = *train_bpe(text, {.vocab_size = 4096});
//   Tokenizer t = *Tokenizer::create(v);
// The same text and options give the same vocabulary.  SentencePiece finds the pieces; it is kept silent, in memory and
// on one thread.  About a second per MB of text at 4096.  kInvalidArgument: the text is too small for, or has too many
// different characters for, vocab_size.  Not safe to call from two threads at once (SentencePiece's log level is
// global).
Result<Vocabulary> train_bpe(std::string_view text, const BpeTrainOptions& options);

}  // namespace facet
