#include "tree/background_pairs.h"

#include <algorithm>
#include <utility>

#include "tree/forest_plan.h"
#include "tree/pair_weights.h"

namespace fastexplain {
namespace {

// A node that tables leave over costs about so many nodes of the quadrature kernel, against a hundred background rows.
constexpr double kWalkCost = 50;
// Tables of pairs of more states take more to fill, and leave the cache, than fewer of them would.
constexpr int kMostStates = 128;

std::vector<double> outputs_of(const RawOutputs& outputs, const EncodedBackground& background) {
  std::vector<double> of_rows(background.n_rows());
  for (std::int64_t tile = 0; tile < background.n_tiles(); ++tile)
    outputs.predict(background.codes(tile), background.rows_in(tile), of_rows.data() + tile * kTileRows);
  return of_rows;
}

}  // namespace

BackgroundPairs::BackgroundPairs(const ForestView& forest, std::shared_ptr<const Encoding> encoding,
                                 std::shared_ptr<const EncodedBackground> background, const InterventionalOptions& options,
                                 int n_threads)
    : encoding_(std::move(encoding)),
      background_(std::move(background)),
      outputs_(forest, encoding_, n_threads),
      background_outputs_(outputs_of(outputs_, *background_)) {
  SumLayout layout = lay_out<double>(forest, *encoding_);
  ForestPlan plan = plan_forest<double>(forest, *encoding_, layout,
                                        {.table_bytes = options.table_bytes,
                                         .max_states = std::min(options.max_states, kMostStates),
                                         .walk_cost = kWalkCost,
                                         .keep = false},
                                        n_threads);
  // Which way the background goes is found again in the calls of many rows: it takes little beside these.
  many_rows_ = std::make_unique<BackgroundWalk>(forest, encoding_, plan.walked, background_, 0, n_threads);
  few_rows_ =
      std::make_unique<BackgroundWalk>(forest, encoding_, plan.walked_or_passing, background_, options.kept_bytes, n_threads);
  tables_ = std::make_unique<PairTables>(std::move(plan.passing), encoding_, background_, std::move(layout));
}

void BackgroundPairs::explain(const RowsView& rows, const OutputTransform& transform, const ValuesView& values, int n_threads,
                              std::int64_t n_rows_of_call, const InterruptCheck& check) const {
  const PairWeights pairs(transform, outputs_, background_outputs_, background_->weights());
  const bool by_tables = turn(std::max(n_rows_of_call, rows.n_rows)) > 0;
  std::fill_n(values.data, values.n_rows * values.n_features, 0.0);
  (by_tables ? many_rows_ : few_rows_)->explain(rows, values, n_threads, check, &pairs);
  if (by_tables) tables_->explain(rows, pairs, values, n_threads, check);
}

std::int64_t BackgroundPairs::turn(std::int64_t n_rows_of_call) const { return tables_->turn(n_rows_of_call); }

std::size_t BackgroundPairs::memory() const {
  return few_rows_->memory() + many_rows_->memory() + tables_->memory() + outputs_.memory() +
         background_outputs_.capacity() * sizeof(double);
}

}  // namespace fastexplain
