#include "fastexplain/tree/interventional_shap.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "tree/background_walk.h"
#include "tree/encoding.h"
#include "tree/raw_outputs.h"
#include "tree/tree_program.h"

namespace fastexplain {
namespace {

std::vector<TreePart> whole_trees(const ForestView& forest) {
  std::vector<TreePart> parts;
  for (std::int64_t tree = 0; tree < forest.n_trees; ++tree) parts.push_back({tree, {}});
  return parts;
}

// Weighted mean of the sum of the trees.
std::vector<double> mean_over(const EncodedBackground& background, const ForestView& forest,
                              std::shared_ptr<const Encoding> encoding, int n_threads) {
  const std::int32_t n_outputs = forest.n_outputs;
  std::vector<double> of_tile(static_cast<std::size_t>(kTileRows) * n_outputs), mean(n_outputs, 0.0);
  const RawOutputs outputs(forest, std::move(encoding), n_threads);
  for (std::int64_t tile = 0; tile < background.n_tiles(); ++tile) {
    outputs.predict(background.codes(tile), background.rows_in(tile), of_tile.data());
    for (std::int32_t k = 0; k < n_outputs; ++k) {
      double sum = 0;
      for (int row = 0; row < background.rows_in(tile); ++row)
        sum += background.weights(tile)[row] * of_tile[static_cast<std::size_t>(row) * n_outputs + k];
      mean[k] += sum;
    }
  }
  return mean;
}

}  // namespace

class InterventionalShap::Impl {
 public:
  Impl(const ForestView& forest, const RowsView& background, const double* weights, int n_threads,
       const InterventionalOptions& options)
      : encoding_(std::make_shared<const Encoding>(forest)),
        background_(std::make_shared<const EncodedBackground>(*encoding_, background, weights)),
        mean_outputs_(mean_over(*background_, forest, encoding_, n_threads)),
        walk_(forest, encoding_, whole_trees(forest), background_, options.kept_bytes, n_threads) {}

  void explain(const RowsView& rows, const ValuesView& values, int n_threads, const InterruptCheck& check) const {
    std::fill_n(values.data, values.n_rows * values.n_features * values.n_outputs, 0.0);
    walk_.explain(rows, values, n_threads, check);
  }

  const std::vector<double>& mean_outputs() const { return mean_outputs_; }
  std::size_t memory() const { return encoding_->memory() + background_->memory() + walk_.memory(); }

 private:
  std::shared_ptr<const Encoding> encoding_;
  std::shared_ptr<const EncodedBackground> background_;
  std::vector<double> mean_outputs_;
  BackgroundWalk walk_;
};

InterventionalShap::InterventionalShap(const ForestView& forest, const RowsView& background, const double* weights,
                                       int n_threads, const InterventionalOptions& options)
    : n_features_(forest.n_features),
      n_outputs_(forest.n_outputs),
      impl_(std::make_unique<Impl>(forest, background, weights, std::max(n_threads, 1), options)) {}

InterventionalShap::~InterventionalShap() = default;

void InterventionalShap::explain(const RowsView& rows, const ValuesView& values, int n_threads,
                                 const InterruptCheck& check) const {
  impl_->explain(rows, values, n_threads, check);
}

const std::vector<double>& InterventionalShap::mean_outputs() const { return impl_->mean_outputs(); }

std::size_t InterventionalShap::memory() const { return impl_->memory(); }

}  // namespace fastexplain
