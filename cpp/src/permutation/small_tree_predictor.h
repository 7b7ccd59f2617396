// Rows with replaced columns through forests of small trees, 64 rows at a time; see isa/replace_body.inc. What
// `ReplacementPredictor` runs where it can.
#pragma once

#include <cstdint>
#include <vector>

#include "aligned_buffer.h"
#include "fastexplain/permutation/replacement_predictor.h"
#include "isa/kernels.h"
#include "permutation/word_program.h"

namespace fastexplain {

// A forest as words of decisions. Immutable. Its sums are whole multiples of a quantum (see ReplacementPredictor), so that
// their order does not matter.
class SmallTreePredictor {
 public:
  // Whether all trees are small and split on numbers only.
  static bool takes(const ForestView& forest);

  explicit SmallTreePredictor(const ForestView& forest);
  SmallTreePredictor(const SmallTreePredictor&) = delete;  // columns_ points into cuts_
  SmallTreePredictor& operator=(const SmallTreePredictor&) = delete;

  // As ReplacementPredictor::predict and replace.
  void predict(const double* x, std::int64_t n_rows, const double* base_offset, double* out, int n_threads,
               const InterruptCheck& check) const;
  void replace(const double* x, const ReplacementPlan& plan, const double* base, double rounder, double* out, int n_threads,
               const InterruptCheck& check) const;

 private:
  struct Scratch;
  using Codes = AlignedBuffer<std::int16_t>;

  std::int64_t n_columns() const { return static_cast<std::int64_t>(columns_.size()); }
  // Of the tile of rows that begins at row `first`, [column][kTileRows].
  void encode(const double* x, std::int64_t n_rows, std::int64_t first, std::int16_t* codes) const;
  void add_tree(const ForestView& forest, std::int64_t t);
  Codes replaced_codes(const ReplacementPlan& plan, const WordProgram& program, const Codes& own,
                       std::vector<std::uint8_t>& missing, int n_threads, const InterruptCheck& check) const;
  ReplaceTask task_of(const WordProgram& program, Scratch& scratch) const;

  std::int32_t n_features_, n_outputs_, n_leaf_outputs_;
  std::vector<std::vector<double>> cuts_;  // of each feature, ascending
  std::vector<EncodeColumn> columns_;      // features that trees split on
  std::vector<std::int32_t> column_of_;    // of each feature, -1 where there is none
  std::vector<double> leaf_values_;
  WordProgram forest_;  // trees and splits; nothing is replaced
};

}  // namespace fastexplain
