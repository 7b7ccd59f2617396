// Interventional Tree SHAP of a forest: Shapley values of the game in which features outside a coalition are taken from rows of
// a background, exact up to rounding.
//
// v(S) = sum over background rows z of weight(z) f(x_S, z_rest), where f is the sum of the trees.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "fastexplain/parallel.h"
#include "fastexplain/tree/forest.h"
#include "fastexplain/tree/tree_shap.h"
#include "fastexplain/tree/views.h"

namespace fastexplain {

struct InterventionalOptions {
  // Of the lanes that add entries of tables. What goes without tables is computed in float64.
  LaneType lanes = LaneType::kFloat64;
  // As in TreeShapOptions.
  std::size_t table_bytes = 64u << 20;
  int max_states = 256;
  // What may be kept of the background's ways through the trees (one bit per inner node and background row). Ways through
  // trees beyond it are found again in every call.
  std::size_t kept_bytes = 64u << 20;
};

// An output g that follows from the margin f, the sum of the trees plus an offset. Every pair of a row x and a background row z
// has its attributions to f multiplied by (g(f(x)) - g(f(z))) / (f(x) - f(z)), before the mean over z is taken.
struct OutputTransform {
  enum class Kind {
    kProbability,  // 1 / (1 + exp(-slope f))
    kLogLoss,      // log(1 + exp(slope f)) - label slope f
    kSquaredLoss,  // (f - label)^2
  };
  Kind kind;
  double slope;          // unused by the squared loss
  double offset;         // of the margin
  const double* labels;  // of each explained row; null for probabilities
};

// A forest compiled with a background. Immutable; safe to use from several threads. Copies what it needs of its arguments.
class InterventionalShap {
 public:
  // weights: of each background row, finite, not negative and not all zero; null for equal ones.
  InterventionalShap(const ForestView& forest, const RowsView& background, const double* weights, int n_threads,
                     const InterventionalOptions& options = {});
  ~InterventionalShap();

  // Writes every entry of values, base values excluded: they sum to the raw output less its weighted mean over the background.
  //
  // Rows must have n_features columns, and values the shape (rows.n_rows, n_features, n_outputs). The result's bits do not
  // depend on n_threads, on the other rows, or on the instruction set. Memory beyond values: some MB per thread.
  //
  // Throws what check throws, and std::bad_alloc.
  void explain(const RowsView& rows, const ValuesView& values, int n_threads, const InterruptCheck& check = {}) const;

  // Weighted mean of the sum of the trees over the background, (n_outputs,).
  const std::vector<double>& mean_outputs() const;

  std::int64_t n_features() const { return n_features_; }
  std::int64_t n_outputs() const { return n_outputs_; }

  // Bytes held by the compiled forest and background.
  std::size_t memory() const;

 private:
  class Impl;
  std::int64_t n_features_, n_outputs_;
  std::unique_ptr<Impl> impl_;
};

// The same for a transformed output of a forest of one output.
class TransformedShap {
 public:
  // As for InterventionalShap.
  TransformedShap(const ForestView& forest, const RowsView& background, const double* weights, int n_threads,
                  const InterventionalOptions& options = {});
  ~TransformedShap();

  // Writes every entry of values: they sum to the transformed output less its weighted mean over the background. Rows and
  // values as of InterventionalShap. n_rows_of_call: rows of the whole call, where these are a part of it. The result's bits
  // depend on this number (see turn), but not on n_threads, on the other rows, or on the instruction set.
  void explain(const RowsView& rows, const OutputTransform& transform, const ValuesView& values, int n_threads,
               const InterruptCheck& check = {}, std::int64_t n_rows_of_call = 0) const;

  // As of TreeShap.
  std::int64_t turn(std::int64_t n_rows_of_call) const;

  // The sum of the trees for each background row of weight above zero, and the weights of these rows, which sum to 1.
  const std::vector<double>& background_outputs() const;
  const std::vector<double>& background_weights() const;

  std::int64_t n_features() const { return n_features_; }
  std::size_t memory() const;

 private:
  class Impl;
  std::int64_t n_features_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fastexplain
