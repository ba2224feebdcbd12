// story_grammar.h: text from rules: dice, a context-free grammar, and the two agreements English needs (a/an,
// capitals).
#pragma once

#include <cmath>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"

namespace facet {

// Random choices, and how much information they held: bits() bounds the entropy of the text made from them.
class Dice {
 public:
  Dice(std::uint64_t seed, std::uint64_t index) : rng_(seed, index) {}
  std::size_t below(std::size_t n) {
    bits_ += std::log2(static_cast<double>(n));
    return rng_.below(static_cast<std::uint32_t>(n));
  }
  bool chance(double p) {
    bits_ -= p * std::log2(p) + (1 - p) * std::log2(1 - p);
    return rng_.uniform() < static_cast<float>(p);
  }
  template <typename T>
  const T& pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }
  template <typename T>
  void shuffle(std::vector<T>& values) {
    for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
  }
  double bits() const { return bits_; }

 private:
  Rng rng_;
  double bits_ = 0;
};

// Rules, one per line: "name = first | second | third", continued on lines that begin with a space, "#" begins a
// comment line. In an alternative, and in any template: {a|b} picks one, [a] comes every other time, <name> is a rule
// or a slot that the caller resolves, a(n) becomes "a" or "an".
class Grammar {
 public:
  explicit Grammar(std::span<const std::string_view> sources);
  // The grammar of all story text; made once.
  static const Grammar& stories();

  const std::vector<std::string>& rule(std::string_view name) const;  // the name must exist
  bool has(std::string_view name) const { return rules_.find(name) != rules_.end(); }
  const std::map<std::string, std::vector<std::string>, std::less<>>& rules() const { return rules_; }

  // A name is what `value` says, else a rule, else what `slot` says; `literal` sees each stretch of output as it is
  // made.
  struct Sink {
    std::function<const std::string*(std::string_view)> value;  // null: none
    std::function<std::string(std::string_view)> slot;
    std::function<void(std::string_view)> literal;
  };
  // Alternatives at the top of `text` may stand without braces.
  void expand(std::string_view text, Dice& dice, const Sink& sink) const;

 private:
  void expand_one(std::string_view text, Dice& dice, const Sink& sink) const;
  std::map<std::string, std::vector<std::string>, std::less<>> rules_;
};

// Splits at the separators that lie outside brackets of any kind, and trims spaces.
std::vector<std::string_view> split_alternatives(std::string_view text);
// "a(n) owl" -> "an owl".
std::string settle_articles(std::string text);
std::string capitalized(std::string text);

}  // namespace facet
