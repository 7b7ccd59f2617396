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

// Steps, look-ups and chunks of all groups, which count as memory of the tables, are numbered by 32 bits.
constexpr std::size_t kMaxTableBytes = std::size_t{1} << 33;

// Plans of a forest's trees, some at a time: those of all trees could take several times the memory of the forest.
template <class T>
class ForestPlanner {
 public:
  ForestPlanner(const ForestView& forest, const Encoding& encoding, const SumLayout& layout, const TreeShapOptions& options,
                int n_threads)
      : forest_(forest),
        encoding_(encoding),
        n_threads_(n_threads),
        planners_(std::max(n_threads, 1)),
        room_(std::min(options.table_bytes, kMaxTableBytes)),
        passing_room_(room_ / 2) {
    const std::int64_t row_chunks = std::int64_t{layout.n_chunks} * encoding.n_outputs;
    gave_up_ =
        encoding.wide_codes || options.max_states < 2 || room_ < kChunkBytes || tile_bytes<T>(row_chunks) > kMaxTileBytes;
    for (const auto slot : layout.slot) chunk_.push_back(slot / kChunkLanes<T>);
    options_ = {std::min(options.max_states, kMaxStates), 64.0 / sizeof(T), static_cast<double>(block_rows<T>(row_chunks))};
  }

  void run() {
    for (std::int64_t first = 0, last = 0; first < forest_.n_trees; first = last) {
      last = gave_up_ ? forest_.n_trees : end_of_batch(first);
      keep(first, plan(first, last));
    }
  }

  std::vector<TreePlan> kept;     // tables that there is room for
  std::vector<TreePlan> passing;  // tables of whole trees that a call fills for itself, if it has rows enough
  std::vector<TreePart> walked;   // by the quadrature kernel, whatever the rows
  std::vector<TreePart> walked_or_passing;

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
        kept.push_back(std::move(plan));
      } else if (plan.whole && plan.fill_bytes() <= passing_room_) {
        any_used = true;
        passing_room_ -= plan.fill_bytes();
        walked_or_passing.push_back({tree, {}});
        passing.push_back(std::move(plan));
      } else {
        any_refused |= !plan.empty();
        walk({tree, {}});
      }
    }
    gave_up_ |= any_refused && !any_used;
  }

  void walk(TreePart part) {
    walked_or_passing.push_back(part);
    walked.push_back(std::move(part));
  }

  const ForestView& forest_;
  const Encoding& encoding_;
  const int n_threads_;
  std::vector<std::int32_t> chunk_;
  PlanOptions options_;
  std::vector<std::unique_ptr<TreePlanner>> planners_;
  std::size_t room_, passing_room_;
  bool gave_up_ = false;
};

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
    ForestPlanner<T> planner(forest, *encoding_, layout_, options, n_threads);
    planner.run();
    const auto compiled = [&](const std::vector<TreePart>& parts) {
      return std::make_unique<QuadratureShap<T>>(compile_trees<T>(forest, encoding_, parts, n_threads));
    };
    few_rows_ = compiled(planner.walked_or_passing);
    if (!planner.passing.empty()) many_rows_ = compiled(planner.walked);
    least_rows_ = least_rows(planner.passing);
    passing_ = std::make_unique<PatternTables<T>>(std::move(planner.passing), *encoding_, layout_);
    kept_ = std::make_unique<PatternTables<T>>(std::move(planner.kept), *encoding_, layout_);
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
