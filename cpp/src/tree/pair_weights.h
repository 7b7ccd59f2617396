// What pairs of a row and a background row count for, where a transformed output is explained: attributions of a pair are
// rescaled by a factor that its two margins decide, so that it is part of the pair's weight.
#pragma once

#include <cstdint>
#include <vector>

#include "fastexplain/tree/interventional_shap.h"
#include "tree/raw_outputs.h"

namespace fastexplain {

class PairWeights {
 public:
  // others, weights: of each background row, the sum of the trees and the weight.
  PairWeights(const OutputTransform& transform, const RawOutputs& outputs, const std::vector<double>& others,
              const std::vector<double>& weights)
      : transform_(transform), outputs_(outputs), others_(others), weights_(weights) {}

  std::int64_t n_background() const { return static_cast<std::int64_t>(weights_.size()); }

  // Sums of the trees for the first n_rows rows of an encoded tile.
  void find_margins(const void* tile, int n_rows, double* margins) const { outputs_.predict(tile, n_rows, margins); }

  // Of a row's pair with a background row: the row-th of the call, whose labels these are.
  double of_pair(std::int64_t row, double margin, std::int64_t other) const;

 private:
  const OutputTransform& transform_;
  const RawOutputs& outputs_;
  const std::vector<double>&others_, &weights_;
};

}  // namespace fastexplain
