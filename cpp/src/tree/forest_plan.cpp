#include "tree/forest_plan.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>

#include "fastexplain/parallel.h"
#include "tree/pattern_shap.h"

namespace fastexplain {
namespace {

// Steps, look-ups and chunks of all groups, which count as memory of the tables, are numbered by 32 bits.
constexpr std::size_t kMaxTableBytes = std::size_t{1} << 33;

// Plans of a forest's trees, some at a time: those of all trees could take several times the memory of the forest.
template <class T>
class ForestPlanner {
 public:
  ForestPlanner(const ForestView& forest, const Encoding& encoding, const SumLayout& layout, const ForestPlanOptions& options,
                int n_threads)
      : forest_(forest),
        encoding_(encoding),
        n_threads_(n_threads),
        planners_(std::max(n_threads, 1)),
        keep_(options.keep),
        room_(keep_ ? std::min(options.table_bytes, kMaxTableBytes) : 0),
        passing_room_(std::min(options.table_bytes, kMaxTableBytes) / 2) {
    const std::int64_t row_chunks = std::int64_t{layout.n_chunks} * encoding.n_outputs;
    gave_up_ = encoding.wide_codes || options.max_states < 2 || options.table_bytes < kChunkBytes ||
               tile_bytes<T>(row_chunks) > kMaxTileBytes;
    for (const auto slot : layout.slot) chunk_.push_back(slot / kChunkLanes<T>);
    options_ = {std::min(options.max_states, kMaxStates), 64.0 / sizeof(T) / options.walk_cost,
                static_cast<double>(block_rows<T>(row_chunks))};
  }

  ForestPlan run() {
    for (std::int64_t first = 0, last = 0; first < forest_.n_trees; first = last) {
      last = gave_up_ ? forest_.n_trees : end_of_batch(first);
      keep(first, plan(first, last));
    }
    return std::move(plan_);
  }

 private:
  std::int64_t end_of_batch(std::int64_t first) const {
    constexpr std::int64_t kLeastTrees = 16, kLeastNodes = 1 << 18;
    std::int64_t last = std::min(first + kLeastTrees, forest_.n_trees);
    while (last < forest_.n_trees && forest_.tree_offsets[last] - forest_.tree_offsets[first] < kLeastNodes) ++last;
    return last;
  }

  std::vector<TreePlan> plan(std::int64_t first, std::int64_t last) {
    std::vector<TreePlan> plans(last - first);
    if (gave_up_) return plans;
    parallel_for(last - first, n_threads_, [&](std::int64_t i, int worker) {
      auto& planner = planners_[worker];
      if (!planner) planner = std::make_unique<TreePlanner>(forest_, encoding_, chunk_, options_);
      plans[i] = planner->plan(first + i);
    });
    return plans;
  }

  // In the order of the forest, while there is room. Once a batch finds none, no further trees are planned.
  void keep(std::int64_t first, std::vector<TreePlan> plans) {
    bool any_used = false, any_refused = false;
    for (std::size_t i = 0; i < plans.size(); ++i) {
      TreePlan& plan = plans[i];
      const std::int64_t tree = first + static_cast<std::int64_t>(i);
      if (!plan.empty() && plan.bytes <= room_) {
        any_used = true;
        room_ -= plan.bytes;
        if (!plan.whole) walk({tree, plan.cut_off});
        plan_.kept.push_back(std::move(plan));
      } else if ((plan.whole || (!keep_ && !plan.empty())) && plan.fill_bytes() <= passing_room_) {
        any_used = true;
        passing_room_ -= plan.fill_bytes();
        plan_.walked_or_passing.push_back({tree, {}});
        if (!plan.whole) plan_.walked.push_back({tree, plan.cut_off});
        plan_.passing.push_back(std::move(plan));
      } else {
        any_refused |= !plan.empty();
        walk({tree, {}});
      }
    }
    gave_up_ |= any_refused && !any_used;
  }

  void walk(TreePart part) {
    plan_.walked_or_passing.push_back(part);
    plan_.walked.push_back(std::move(part));
  }

  const ForestView& forest_;
  const Encoding& encoding_;
  const int n_threads_;
  ForestPlan plan_;
  std::vector<std::int32_t> chunk_;
  PlanOptions options_;
  std::vector<std::unique_ptr<TreePlanner>> planners_;
  const bool keep_;
  std::size_t room_, passing_room_;
  bool gave_up_ = false;
};

}  // namespace

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
ForestPlan plan_forest(const ForestView& forest, const Encoding& encoding, const SumLayout& layout,
                       const ForestPlanOptions& options, int n_threads) {
  return ForestPlanner<T>(forest, encoding, layout, options, n_threads).run();
}

template SumLayout lay_out<float>(const ForestView&, const Encoding&);
template SumLayout lay_out<double>(const ForestView&, const Encoding&);
template ForestPlan plan_forest<float>(const ForestView&, const Encoding&, const SumLayout&, const ForestPlanOptions&, int);
template ForestPlan plan_forest<double>(const ForestView&, const Encoding&, const SumLayout&, const ForestPlanOptions&, int);

}  // namespace fastexplain
