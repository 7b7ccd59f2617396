// Rows with replaced columns through forests of small trees, 64 rows at a time; see isa/replace_body.inc. What
// `ReplacementPredictor` runs where it can.
#pragma once

#include <cstdint>
#include <vector>

#include "fastexplain/permutation/replacement_predictor.h"
#include "isa/kernels.h"

namespace fastexplain {

// A forest as words of decisions. Immutable. Its sums are whole multiples of a quantum (see ReplacementPredictor), so that
// their order does not matter.
class SmallTreePredictor {
 public:
  // Whether all trees are small and split on numbers only.
  static bool takes(const ForestView& forest);

  explicit SmallTreePredictor(const ForestView& forest);

  // As ReplacementPredictor::replace.
  void replace(const double* by_column, const ReplacementPlan& plan, const double* base, double rounder, double* out,
               int n_threads, const InterruptCheck& check) const;

 private:
  struct Program;  // of one plan
  struct Scratch;
  Program program(const ReplacementPlan& plan) const;
  void add_groups(std::int64_t t, const ReplacementPlan& plan, const std::vector<std::int32_t>& value_at, Program& out) const;

  std::int32_t n_features_, n_outputs_, n_leaf_outputs_;
  std::vector<std::vector<double>> cuts_;  // of each feature, ascending
  std::vector<WordTree> trees_;            // without groups
  std::vector<WordSplit> splits_;          // column: the feature
  std::vector<double> leaf_values_;
  std::int32_t most_splits_ = 0;
};

}  // namespace fastexplain
