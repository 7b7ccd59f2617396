#include "fastexplain/tree/interventional_shap.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "isa/kernels.h"
#include "tree/background_pairs.h"
#include "tree/background_walk.h"
#include "tree/encoding.h"
#include "tree/forest_plan.h"
#include "tree/pattern_shap.h"
#include "tree/pattern_tables.h"
#include "tree/raw_outputs.h"
#include "tree/tree_program.h"

namespace fastexplain {
namespace {

// A node that tables leave over costs about so many nodes of the quadrature kernel, against a hundred background rows.
constexpr double kWalkCost = 50;

// What tables serve of a forest.
class Tables {
 public:
  virtual ~Tables() = default;
  // Adds to values.
  virtual void explain(const RowsView& rows, const ValuesView& values, int n_threads, const InterruptCheck& check) const = 0;
  virtual std::size_t memory() const = 0;
};

template <class T>
class TablesOf final : public Tables {
 public:
  // Leaves the parts of trees in `rest` that no table serves.
  TablesOf(const ForestView& forest, std::shared_ptr<const Encoding> encoding, const EncodedBackground& background,
           const InterventionalOptions& options, int n_threads, std::vector<TreePart>& rest)
      : encoding_(std::move(encoding)), layout_(lay_out<T>(forest, *encoding_)) {
    ForestPlan plan =
        plan_forest<T>(forest, *encoding_, layout_, {options.table_bytes, options.max_states, kWalkCost}, n_threads);
    rest = std::move(plan.walked_or_passing);
    tables_ = std::make_unique<PatternTables<T>>(std::move(plan.kept), *encoding_, layout_);
    if (tables_->empty()) return;
    const std::size_t tile_codes = encoding_->columns.size() * kTileRows;
    AlignedBuffer<std::int8_t> bytes(background.n_tiles() * tile_codes);
    for (std::int64_t tile = 0; tile < background.n_tiles(); ++tile)
      active_kernels().patterns.narrow(background.words(tile), tile_codes, bytes.get() + tile * tile_codes);
    const PatternBackground rows{{bytes.get(), background.words(0), tile_codes}, background.n_rows(), background.weights(0)};
    tables_->keep(n_threads, &rows);
  }

  void explain(const RowsView& rows, const ValuesView& values, int n_threads, const InterruptCheck& check) const override {
    explain_by_patterns(*tables_, *encoding_, layout_, rows, values, n_threads, check);
  }

  std::size_t memory() const override { return tables_->memory(); }

 private:
  std::shared_ptr<const Encoding> encoding_;
  SumLayout layout_;
  std::unique_ptr<PatternTables<T>> tables_;
};

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
        mean_outputs_(mean_over(*background_, forest, encoding_, n_threads)) {
    std::vector<TreePart> rest;
    if (options.lanes == LaneType::kFloat32)
      tables_ = std::make_unique<TablesOf<float>>(forest, encoding_, *background_, options, n_threads, rest);
    else
      tables_ = std::make_unique<TablesOf<double>>(forest, encoding_, *background_, options, n_threads, rest);
    walk_ = std::make_unique<BackgroundWalk>(forest, encoding_, rest, background_, kFewPlaces, options.kept_bytes, n_threads);
  }

  void explain(const RowsView& rows, const ValuesView& values, int n_threads, const InterruptCheck& check) const {
    std::fill_n(values.data, values.n_rows * values.n_features * values.n_outputs, 0.0);
    if (!walk_->empty()) walk_->explain(rows, values, n_threads, check);
    tables_->explain(rows, values, n_threads, check);
  }

  const std::vector<double>& mean_outputs() const { return mean_outputs_; }
  std::size_t memory() const { return encoding_->memory() + background_->memory() + walk_->memory() + tables_->memory(); }

 private:
  std::shared_ptr<const Encoding> encoding_;
  std::shared_ptr<const EncodedBackground> background_;
  std::vector<double> mean_outputs_;
  std::unique_ptr<BackgroundWalk> walk_;
  std::unique_ptr<Tables> tables_;
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

class TransformedShap::Impl {
 public:
  Impl(const ForestView& forest, const RowsView& background, const double* weights, int n_threads,
       const InterventionalOptions& options)
      : encoding(std::make_shared<const Encoding>(forest)),
        rows(std::make_shared<const EncodedBackground>(*encoding, background, weights)),
        pairs(forest, encoding, rows, options, n_threads) {}

  std::shared_ptr<const Encoding> encoding;
  std::shared_ptr<const EncodedBackground> rows;
  BackgroundPairs pairs;
};

TransformedShap::TransformedShap(const ForestView& forest, const RowsView& background, const double* weights, int n_threads,
                                 const InterventionalOptions& options)
    : n_features_(forest.n_features),
      impl_(std::make_unique<Impl>(forest, background, weights, std::max(n_threads, 1), options)) {}

TransformedShap::~TransformedShap() = default;

void TransformedShap::explain(const RowsView& rows, const OutputTransform& transform, const ValuesView& values, int n_threads,
                              const InterruptCheck& check, std::int64_t n_rows_of_call) const {
  impl_->pairs.explain(rows, transform, values, n_threads, n_rows_of_call, check);
}

std::int64_t TransformedShap::turn(std::int64_t n_rows_of_call) const { return impl_->pairs.turn(n_rows_of_call); }

const std::vector<double>& TransformedShap::background_outputs() const { return impl_->pairs.background_outputs(); }

const std::vector<double>& TransformedShap::background_weights() const { return impl_->rows->weights(); }

std::size_t TransformedShap::memory() const {
  return impl_->encoding->memory() + impl_->rows->memory() + impl_->pairs.memory();
}

}  // namespace fastexplain
