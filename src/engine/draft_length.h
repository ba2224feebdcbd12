// draft_length.h: how many tokens to draft, from what drafting costs and how often it is right.
#pragma once

#include <string>
#include <vector>

namespace facet {

// Drafts per round: n_max, or at most n_max where it adapts.  0: none.
struct DraftCount {
  int n_max = 0;
  bool adapts = false;
};

//   DraftLength length(7);
//   int k = length.next();                                  // 0: this round goes without drafts
//   ... k tokens drafted, checked in one pass of k + 1 rows ...
//   length.record(k, n_accepted, draft_seconds, pass_seconds);
// A round of k drafts gives E(k) = 1 + A_1 + ... + A_k tokens, A_j the chance that the first j drafts are all right,
// and takes P(k + 1) + k D seconds, P the pass of the model, D a draft.  Chosen is the k of most tokens per second, and
// 0 unless that is worth 2 %, and 0 when all drafting so far has lost more than the time of a third of a pass and
// half a percent of the time since.  Chances by depth, P and D are running means, P by rows; where a number of rows was
// never seen, P is taken from a line through those that were.  Now and then a round is spent on what would not be known
// otherwise: with one draft more, or without any, for P(1); with one, while drafting is off, as often as costs less
// than half a percent of the time.  Times decide how fast text comes, never which text.  The clock is the caller's, so
// that tests have their own.
class DraftLength {
 public:
  explicit DraftLength(int n_max);
  int next();
  // accepted: how many of the first drafts were right; a round that was cut short by the end of a text is not recorded.
  void record(int n_drafts, int n_accepted, double draft_seconds, double pass_seconds);

  // "drafts off, 31 rounds; a pass of 1 row 61.2 ms, of 2 63.0 ms, a draft 3.1 ms; right at depth 1: 41 %, 2: 20 %"
  std::string describe() const;

 private:
  struct Mean {
    double value = 0;
    int n = 0;
    void add(double x, double weight);
  };
  double pass(int rows) const;
  double right(int depth) const;  // chance, given that those before were right
  double speed(int n_drafts) const;
  int best() const;
  int rounds_between_probes() const;  // while drafting is off

  int n_max_, k_ = 0;
  std::vector<Mean> pass_;   // by rows - 1
  std::vector<Mean> right_;  // by depth - 1
  Mean draft_;
  int rounds_ = 0, since_probe_ = 0;
  double won_ = 0;  // seconds, by drafting; less what it may lose
  bool probing_ = false;
};

}  // namespace facet
