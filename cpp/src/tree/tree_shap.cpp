#include "fastexplain/tree/tree_shap.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "tree/encoding.h"
#include "tree/pattern_plan.h"
#include "tree/pattern_shap.h"
#include "tree/pattern_tables.h"
#include "tree/quadrature_shap.h"

namespace fastexplain {
namespace {

// Features in the order of how many splits they have: entries of most groups then lie in the first chunks.
template <class T>
SumLayout lay_out(const ForestView& forest, const Encoding& encoding) {
  const std::size_t n = encoding.features.size();
  std::vector<std::int64_t> n_splits(n, 0);
  for (std::int64_t node = 0; node < forest.tree_offsets[forest.n_trees]; ++node)
    if (!forest.is_leaf(node)) ++n_splits[encoding.position[forest.feature[node]]];
  std::vector<std::int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) { return n_splits[a] > n_splits[b]; });
  SumLayout layout;
  layout.slot.resize(n);
  for (std::size_t slot = 0; slot < n; ++slot) layout.slot[order[slot]] = static_cast<std::int32_t>(slot);
  layout.n_chunks = static_cast<std::int32_t>((n + kChunkLanes<T> - 1) / kChunkLanes<T>);
  return layout;
}

template <class T>
std::vector<TreePlan> plan_trees(const ForestView& forest, const Encoding& encoding, const SumLayout& layout, int max_states,
                                 int n_threads) {
  std::vector<TreePlan> plans(forest.n_trees);
  const std::int64_t row_chunks = std::int64_t{layout.n_chunks} * encoding.n_outputs;
  if (encoding.wide_codes || max_states < 2 || tile_bytes<T>(row_chunks) > kMaxTileBytes) return plans;
  std::vector<std::int32_t> chunk;
  for (const auto slot : layout.slot) chunk.push_back(slot / kChunkLanes<T>);
  const PlanOptions options{std::min(max_states, kMaxStates), 64.0 / sizeof(T), static_cast<double>(block_rows<T>(row_chunks))};
  std::vector<std::unique_ptr<TreePlanner>> planners(std::max(n_threads, 1));
  parallel_for(forest.n_trees, n_threads, [&](std::int64_t tree, int worker) {
    auto& planner = planners[worker];
    if (!planner) planner = std::make_unique<TreePlanner>(forest, encoding, chunk, options);
    plans[tree] = planner->plan(tree);
  });
  return plans;
}

}  // namespace

class TreeShap::Impl {
 public:
  virtual ~Impl() = default;
  virtual void explain(const RowsView& rows, const ValuesView& values, int max_points, int n_threads,
                       const InterruptCheck& check) const = 0;
  virtual std::size_t memory() const = 0;
};

// Trees go by tables while these have room, in the order of the forest, else by the quadrature kernel; a tree that tables take
// over in part goes by both. This depends on the forest and the options alone, so that every call gives a row the same bits.
template <class T>
class TreeShap::ImplOf final : public TreeShap::Impl {
 public:
  ImplOf(const ForestView& forest, const TreeShapOptions& options, int n_threads)
      : encoding_(std::make_shared<const Encoding>(forest)), layout_(lay_out<T>(forest, *encoding_)) {
    std::vector<TreePlan> plans = plan_trees<T>(forest, *encoding_, layout_, options.max_states, n_threads);
    std::vector<const TreePlan*> kept;
    std::vector<TreePart> walked;
    std::size_t room = options.table_bytes;
    for (std::int64_t tree = 0; tree < forest.n_trees; ++tree) {
      const TreePlan& plan = plans[tree];
      const std::size_t bytes = plan.n_chunks * kChunkBytes;
      if (plan.empty() || bytes > room) {
        walked.push_back({tree, {}});
        continue;
      }
      room -= bytes;
      kept.push_back(&plan);
      if (!plan.whole) walked.push_back({tree, plan.cut_off});
    }
    quadrature_ = std::make_unique<QuadratureShap<T>>(compile_trees<T>(forest, encoding_, walked, n_threads));
    tables_ = std::make_unique<PatternTables<T>>(kept, *encoding_, layout_);
    tables_->fill(n_threads);
  }

  void explain(const RowsView& rows, const ValuesView& values, int max_points, int n_threads,
               const InterruptCheck& check) const override {
    if (quadrature_->empty())
      std::fill_n(values.data, values.n_rows * values.n_features * values.n_outputs, 0.0);
    else
      quadrature_->explain(rows, values, false, max_points, n_threads, check);
    explain_by_patterns(*tables_, *encoding_, layout_, rows, values, n_threads, check);
  }

  std::size_t memory() const override { return encoding_->memory() + quadrature_->memory() + tables_->memory(); }

 private:
  std::shared_ptr<const Encoding> encoding_;
  SumLayout layout_;
  std::unique_ptr<QuadratureShap<T>> quadrature_;
  std::unique_ptr<PatternTables<T>> tables_;
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
                       const InterruptCheck& check) const {
  impl_->explain(rows, values, max_points, n_threads, check);
}

std::size_t TreeShap::memory() const { return impl_->memory(); }

}  // namespace fastexplain
