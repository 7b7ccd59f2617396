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
#include "tree/pair_tables.h"
#include "tree/raw_outputs.h"

namespace fastexplain {

// Calls of few rows walk through all trees; those of many go by tables, and walk through what these leave. Which of them
// depends on the forest, the background, the options and the number of rows alone.
class BackgroundPairs {
 public:
  BackgroundPairs(const ForestView& forest, std::shared_ptr<const Encoding> encoding,
                  std::shared_ptr<const EncodedBackground> background, const InterventionalOptions& options, int n_threads);

  // Writes values; for forests of one output. The bits do not depend on n_threads or on the instruction set; nor, among calls
  // that go the same way, on the other rows.
  void explain(const RowsView& rows, const OutputTransform& transform, const ValuesView& values, int n_threads,
               std::int64_t n_rows_of_call, const InterruptCheck& check) const;

  // See TreeShap::turn.
  std::int64_t turn(std::int64_t n_rows_of_call) const;

  // The sum of the trees for each background row.
  const std::vector<double>& background_outputs() const { return background_outputs_; }

  std::size_t memory() const;

 private:
  class Call;

  std::shared_ptr<const Encoding> encoding_;
  std::shared_ptr<const EncodedBackground> background_;
  RawOutputs outputs_;
  std::vector<double> background_outputs_;
  std::unique_ptr<PairTables> tables_;
  std::unique_ptr<BackgroundWalk> few_rows_, many_rows_;  // what is walked, by the rows of the call
};

}  // namespace fastexplain
