// Interventional values of a transformed output: attributions of each pair of a row and a background row, rescaled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "fastexplain/parallel.h"
#include "fastexplain/tree/forest.h"
#include "fastexplain/tree/interventional_shap.h"
#include "fastexplain/tree/views.h"
#include "tree/background_walk.h"
#include "tree/raw_outputs.h"

namespace fastexplain {

class BackgroundPairs {
 public:
  BackgroundPairs(const ForestView& forest, std::shared_ptr<const Encoding> encoding,
                  std::shared_ptr<const EncodedBackground> background, std::size_t kept_bytes, int n_threads);

  // Writes values; for forests of one output. Other promises as of BackgroundWalk.
  void explain(const RowsView& rows, const OutputTransform& transform, const ValuesView& values, int n_threads,
               const InterruptCheck& check) const;

  // The sum of the trees for each background row.
  const std::vector<double>& background_outputs() const { return background_outputs_; }

  std::size_t memory() const;

 private:
  class Call;

  std::shared_ptr<const Encoding> encoding_;
  std::shared_ptr<const EncodedBackground> background_;
  RawOutputs outputs_;
  std::vector<double> background_outputs_;
  BackgroundWalk walk_;
};

}  // namespace fastexplain
