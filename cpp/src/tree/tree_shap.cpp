#include "fastexplain/tree/tree_shap.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "tree/encoding.h"
#include "tree/forest_plan.h"
#include "tree/pattern_shap.h"
#include "tree/pattern_tables.h"
#include "tree/quadrature_shap.h"

namespace fastexplain {
namespace {

// Rows of a call from which on it pays to fill the tables of these trees for them.
std::int64_t least_rows(const std::vector<TreePlan>& plans) {
  double saving = 0, fill = 0;
  for (const auto& plan : plans) {
    saving += plan.saving;
    fill += plan.fill_cost;
  }
  return plans.empty() ? 0 : static_cast<std::int64_t>(std::min(fill / saving, 1e18)) + 1;
}

}  // namespace

class TreeShap::Impl {
 public:
  virtual ~Impl() = default;
  virtual void explain(const RowsView& rows, const ValuesView& values, int max_points, int n_threads,
                       std::int64_t n_rows_of_call, const InterruptCheck& check) const = 0;
  virtual std::int64_t turn(std::int64_t n_rows_of_call) const = 0;
  virtual std::size_t memory() const = 0;
};

// Trees go by tables that are kept while these have room, in the order of the forest. The others go by tables that a call fills
// for itself where it has rows enough, else by the quadrature kernel; a tree that tables take over in part goes by both. This
// depends on the forest, the options and the number of rows alone, so that a call gives the same bits for any threads; and
// where all tables are kept, every call gives a row the same.
template <class T>
class TreeShap::ImplOf final : public TreeShap::Impl {
 public:
  ImplOf(const ForestView& forest, const TreeShapOptions& options, int n_threads)
      : encoding_(std::make_shared<const Encoding>(forest)), layout_(lay_out<T>(forest, *encoding_)) {
    ForestPlan plan = plan_forest<T>(forest, *encoding_, layout_, {options.table_bytes, options.max_states}, n_threads);
    const auto compiled = [&](const std::vector<TreePart>& parts) {
      return std::make_unique<QuadratureShap<T>>(compile_trees<T>(forest, encoding_, parts, n_threads));
    };
    few_rows_ = compiled(plan.walked_or_passing);
    if (!plan.passing.empty()) many_rows_ = compiled(plan.walked);
    least_rows_ = least_rows(plan.passing);
    passing_ = std::make_unique<PatternTables<T>>(std::move(plan.passing), *encoding_, layout_);
    kept_ = std::make_unique<PatternTables<T>>(std::move(plan.kept), *encoding_, layout_);
    kept_->keep(n_threads);
  }

  void explain(const RowsView& rows, const ValuesView& values, int max_points, int n_threads, std::int64_t n_rows_of_call,
               const InterruptCheck& check) const override {
    const bool passing = turn(n_rows_of_call) > 0;
    const QuadratureShap<T>& quadrature = passing ? *many_rows_ : *few_rows_;
    if (quadrature.empty())
      std::fill_n(values.data, values.n_rows * values.n_features * values.n_outputs, 0.0);
    else
      quadrature.explain(rows, values, false, max_points, n_threads, check);
    explain_by_patterns(*kept_, *encoding_, layout_, rows, values, n_threads, check);
    if (passing) explain_by_patterns(*passing_, *encoding_, layout_, rows, values, n_threads, check);
  }

  std::int64_t turn(std::int64_t n_rows_of_call) const override {
    if (passing_->empty()) return 0;
    const std::int64_t rows = turn_rows<T>(static_cast<std::int64_t>(passing_->row_chunks()), *encoding_);
    return std::min(n_rows_of_call, rows) >= least_rows_ ? rows : 0;
  }

  std::size_t memory() const override {
    return encoding_->memory() + few_rows_->memory() + (many_rows_ ? many_rows_->memory() : 0) + kept_->memory() +
           passing_->memory();
  }

 private:
  std::shared_ptr<const Encoding> encoding_;
  SumLayout layout_;
  std::unique_ptr<QuadratureShap<T>> few_rows_, many_rows_;  // what tables leave to it, by the rows of the call
  std::unique_ptr<PatternTables<T>> kept_, passing_;
  std::int64_t least_rows_ = 0;  // for which the latter pays
};

TreeShap::TreeShap(const ForestView& forest, LaneType lanes, int n_threads, const TreeShapOptions& options)
    : n_features_(forest.n_features), n_outputs_(forest.n_outputs) {
  if (lanes == LaneType::kFloat32)
    impl_ = std::make_unique<ImplOf<float>>(forest, options, n_threads);
  else
    impl_ = std::make_unique<ImplOf<double>>(forest, options, n_threads);
}

TreeShap::~TreeShap() = default;

void TreeShap::explain(const RowsView& rows, const ValuesView& values, int max_points, int n_threads,
                       const InterruptCheck& check, std::int64_t n_rows_of_call) const {
  impl_->explain(rows, values, max_points, n_threads, std::max(rows.n_rows, n_rows_of_call), check);
}

std::int64_t TreeShap::turn(std::int64_t n_rows_of_call) const { return impl_->turn(n_rows_of_call); }

std::size_t TreeShap::memory() const { return impl_->memory(); }

}  // namespace fastexplain
