#include "fastexplain/permutation/replacement_predictor.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "permutation/small_tree_predictor.h"

namespace fastexplain {
namespace {

// Rows that go through a tree together: the tree then comes from the first-level cache, their values from the second.
constexpr std::int64_t kBlockRows = 16;

bool any_nan(const double* values, std::int64_t n) {
  bool found = false;
  for (std::int64_t i = 0; i < n; ++i) found |= values[i] != values[i];
  return found;
}

}  // namespace

// A node together with what the call knows of its feature: one cache line serves a visit.
struct ReplacementPredictor::Step {
  double threshold;
  std::int32_t child, feature;  // as in Node
  std::int32_t player;          // -1: not replaced, or a leaf
  std::int32_t n_jobs;          // of the player
  std::int32_t first_job;       // of the player
  std::int32_t value_at;        // of the feature
};

// Working memory of one thread.
struct ReplacementPredictor::Block {
  struct Departure {
    std::int32_t sibling;
    std::int32_t node;  // where the jobs left the row's path
    std::uint64_t jobs;
  };
  std::int64_t n_values = 0;                // per row
  std::vector<double> replaced;             // (kBlockRows, n_values): feature f under job m at value_at[f] + m
  std::vector<double> difference;           // (kBlockRows, n_jobs, n_outputs)
  std::vector<std::uint64_t> gone;          // per player: jobs that have left the row's own path in this tree
  std::vector<Departure> departures;        // of one row and tree; at most one per level
  const Step* steps = nullptr;              // (n_nodes,)
  const std::int64_t* value_at = nullptr;   // (n_features,)
  const std::uint8_t* tree_used = nullptr;  // (n_trees,): some split is on a feature of a player
};

ReplacementPredictor::ReplacementPredictor(const ForestView& forest, double grid) : forest_(forest), rounder_(0x1.8p52 * grid) {
  if (grid > 0.0 && SmallTreePredictor::takes(forest)) words_ = std::make_shared<const SmallTreePredictor>(forest);
  nodes_.reserve(forest.tree_offsets[forest.n_trees]);
  kind_.reserve(nodes_.capacity());
  std::vector<std::pair<std::int64_t, int>> order;  // nodes of a tree by level, and their depth
  for (std::int64_t t = 0; t < forest.n_trees; ++t) {
    const std::int64_t root = forest.tree_offsets[t];
    const auto first = static_cast<std::int64_t>(nodes_.size());
    roots_.push_back(first);
    order.assign(1, {root, 0});
    for (std::size_t q = 0; q < order.size(); ++q) {
      const auto [i, depth] = order[q];
      max_depth_ = std::max(max_depth_, depth);
      if (forest.is_leaf(i)) {
        nodes_.push_back({0.0, static_cast<std::int32_t>(i), -1});
        kind_.push_back(0);
        continue;
      }
      nodes_.push_back(
          {forest.threshold[i], static_cast<std::int32_t>(first + static_cast<std::int64_t>(order.size())), forest.feature[i]});
      std::uint8_t kind = forest.default_left[i] ? kDefaultLeft : 0;
      if (forest.zero_missing(i)) kind |= kZeroMissing;
      if (forest.is_categorical(i)) kind |= kCategorical;
      kind_.push_back(kind);
      plain_ = plain_ && kind <= kDefaultLeft;
      order.emplace_back(root + forest.children_left[i], depth + 1);
      order.emplace_back(root + forest.children_right[i], depth + 1);
    }
  }
  if (!plain_) {  // the set of a categorical node, in place of its threshold
    for (std::int64_t t = 0; t < forest.n_trees; ++t) {
      order.assign(1, {forest.tree_offsets[t], 0});
      for (std::size_t q = 0; q < order.size(); ++q) {
        const std::int64_t i = order[q].first;
        if (forest.is_leaf(i)) continue;
        if (forest.is_categorical(i)) nodes_[roots_[t] + static_cast<std::int64_t>(q)].threshold = forest.category_set[i];
        order.emplace_back(forest.tree_offsets[t] + forest.children_left[i], 0);
        order.emplace_back(forest.tree_offsets[t] + forest.children_right[i], 0);
      }
    }
  }
}

// The routing rule of Forest in full.
bool ReplacementPredictor::goes_left_rare(std::int64_t at, double x) const {
  const std::uint8_t kind = kind_[at];
  const bool zero = (kind & kZeroMissing) && std::abs(x) <= kZeroThreshold;
  if (zero || x != x) return kind & kDefaultLeft;
  if (!(kind & kCategorical)) return x <= nodes_[at].threshold;
  if (!(x > -1.0 && x < 2147483648.0)) return false;  // truncates to no category
  const auto set = static_cast<std::int64_t>(nodes_[at].threshold);
  const std::int32_t* begin = forest_.category_set_members + forest_.category_set_offsets[set];
  const std::int32_t* end = forest_.category_set_members + forest_.category_set_offsets[set + 1];
  return std::find(begin, end, static_cast<std::int32_t>(x)) != end;
}

// kPlain: numbers only, and no value is missing.
// kJobs: replacements of every player, 0 if they differ; known, the loops over them unroll.
template <bool kPlain, int kJobs>
void ReplacementPredictor::tree(std::int64_t t, const double* x, const double* replaced, double* difference,
                                Block& block) const {
  const Step* const steps = block.steps;
  const auto goes_right = [&](std::int64_t at, double value) {
    if constexpr (kPlain) return !(value <= steps[at].threshold);
    return !goes_left_rare(at, value);
  };
  std::size_t n_departures = 0;
  std::int64_t at = roots_[t];
  while (steps[at].feature >= 0) {
    const Step& step = steps[at];
    const bool right = goes_right(at, x[step.feature]);
    if (step.player >= 0) {
      const int n_jobs = kJobs ? kJobs : step.n_jobs;
      const double* values = replaced + step.value_at;
      std::uint64_t other = 0;  // jobs that go the other way
      for (int m = 0; m < n_jobs; ++m) other |= static_cast<std::uint64_t>(goes_right(at, values[m]) != right) << m;
      other &= ~block.gone[step.player];
      block.gone[step.player] |= other;
      block.departures[n_departures] = {step.child + !right, static_cast<std::int32_t>(at), other};
      n_departures += other != 0;
    }
    at = step.child + right;
  }
  const std::int64_t n_outputs = forest_.n_outputs, width = forest_.n_leaf_outputs;
  const double* const values = forest_.values;
  const std::int64_t own_leaf = steps[at].child;
  for (std::size_t q = 0; q < n_departures; ++q) {
    const auto departure = block.departures[q];
    const Step& from = steps[departure.node];
    block.gone[from.player] = 0;
    std::int64_t below = departure.sibling;  // shared by all jobs until a split on the player's own features
    while (steps[below].feature >= 0 && steps[below].player != from.player)
      below = steps[below].child + goes_right(below, x[steps[below].feature]);
    double* const sums = difference + from.first_job * n_outputs;
    if (steps[below].feature < 0 && width == 1) {
      const int n_jobs = kJobs ? kJobs : from.n_jobs;
      const double change = values[steps[below].child] - values[own_leaf];
      double* const sum = sums + forest_.tree_output[t];
      for (int m = 0; m < n_jobs; ++m) sum[m * n_outputs] += (departure.jobs >> m) & 1 ? change : 0.0;
      continue;
    }
    for (std::uint64_t jobs = departure.jobs; jobs; jobs &= jobs - 1) {
      const std::int64_t m = std::countr_zero(jobs);
      std::int64_t leaf = below;
      while (steps[leaf].feature >= 0) {
        const Step& step = steps[leaf];
        leaf = step.child + goes_right(leaf, step.player == from.player ? replaced[step.value_at + m] : x[step.feature]);
      }
      if (width == 1) {
        sums[m * n_outputs + forest_.tree_output[t]] += values[steps[leaf].child] - values[own_leaf];
        continue;
      }
      const double *to = values + steps[leaf].child * width, *own = values + own_leaf * width;
      for (std::int64_t k = 0; k < n_outputs; ++k) sums[m * n_outputs + k] += to[k] - own[k];
    }
  }
}

template <bool kPlain, int kJobs>
void ReplacementPredictor::replace_block(std::int64_t begin, std::int64_t end, const double* x, const double* by_column,
                                         const ReplacementPlan& plan, const double* base, double* out, Block& block) const {
  const std::int64_t n_features = forest_.n_features, n_outputs = forest_.n_outputs, n_rows = plan.n_rows;
  const std::int64_t n_jobs = plan.job_offsets[plan.n_players], row_size = n_jobs * n_outputs;
  for (std::int64_t f = 0; f < n_features; ++f) {
    const std::int32_t player = plan.feature_player[f];
    if (player < 0) continue;
    const double* column = by_column + f * n_rows;
    const std::int64_t first = plan.job_offsets[player], n_own = plan.job_offsets[player + 1] - first;
    for (std::int64_t m = 0; m < n_own; ++m) {
      const std::int32_t* donors = plan.donors + (first + m) * n_rows;
      double* to = block.replaced.data() + block.value_at[f] + m;
      for (std::int64_t i = begin; i < end; ++i) to[(i - begin) * block.n_values] = column[donors[i]];
    }
  }
  std::fill(block.difference.begin(), block.difference.end(), 0.0);
  for (std::int64_t t = 0; t < forest_.n_trees; ++t) {
    if (!block.tree_used[t]) continue;
    checkpoint();
    for (std::int64_t i = begin; i < end; ++i)
      tree<kPlain, kJobs>(t, x + i * n_features, block.replaced.data() + (i - begin) * block.n_values,
                          block.difference.data() + (i - begin) * row_size, block);
  }
  for (std::int64_t job = 0; job < n_jobs; ++job)
    for (std::int64_t i = begin; i < end; ++i)
      for (std::int64_t k = 0; k < n_outputs; ++k)
        out[(job * n_rows + i) * n_outputs + k] =
            (base[i * n_outputs + k] + block.difference[(i - begin) * row_size + job * n_outputs + k] + rounder_) - rounder_;
}

// The usual numbers of repeats have code of their own.
template <bool kPlain>
ReplacementPredictor::Run ReplacementPredictor::run_for(const ReplacementPlan& plan) {
  std::int64_t n_jobs = plan.n_players > 0 ? plan.job_offsets[1] : 0;
  for (std::int64_t p = 1; p < plan.n_players; ++p)
    if (plan.job_offsets[p + 1] - plan.job_offsets[p] != n_jobs) n_jobs = 0;
  switch (n_jobs) {
    case 1:
      return &ReplacementPredictor::replace_block<kPlain, 1>;
    case 5:
      return &ReplacementPredictor::replace_block<kPlain, 5>;
    case 10:
      return &ReplacementPredictor::replace_block<kPlain, 10>;
    default:
      return &ReplacementPredictor::replace_block<kPlain, 0>;
  }
}

void ReplacementPredictor::replace(const double* x, const ReplacementPlan& plan, const double* base, double* out, int n_threads,
                                   const InterruptCheck& check) const {
  if (words_ != nullptr) return words_->replace(x, plan, base, rounder_, out, n_threads, check);
  std::vector<std::int64_t> value_at(forest_.n_features, 0);
  std::int64_t n_values = 0;
  for (std::int64_t f = 0; f < forest_.n_features; ++f) {
    const std::int32_t player = plan.feature_player[f];
    if (player < 0) continue;
    value_at[f] = n_values;
    n_values += plan.job_offsets[player + 1] - plan.job_offsets[player];
  }
  std::vector<std::uint8_t> tree_used(forest_.n_trees, 0);
  std::vector<Step> steps(nodes_.size());
  for (std::int64_t t = 0; t < forest_.n_trees; ++t) {
    const std::int64_t end = t + 1 < forest_.n_trees ? roots_[t + 1] : static_cast<std::int64_t>(nodes_.size());
    for (std::int64_t at = roots_[t]; at < end; ++at) {
      const Node& node = nodes_[at];
      const std::int32_t player = node.feature < 0 ? -1 : plan.feature_player[node.feature];
      steps[at] = {node.threshold, node.child, node.feature, player, 0, 0, 0};
      if (player < 0) continue;
      tree_used[t] = 1;
      steps[at].first_job = static_cast<std::int32_t>(plan.job_offsets[player]);
      steps[at].n_jobs = static_cast<std::int32_t>(plan.job_offsets[player + 1]) - steps[at].first_job;
      steps[at].value_at = static_cast<std::int32_t>(value_at[node.feature]);
    }
  }
  std::vector<double> by_column(static_cast<std::size_t>(plan.n_rows * forest_.n_features));
  for (std::int64_t i = 0; i < plan.n_rows; ++i)
    for (std::int64_t f = 0; f < forest_.n_features; ++f) by_column[f * plan.n_rows + i] = x[i * forest_.n_features + f];
  std::vector<Block> blocks(n_threads);
  for (Block& block : blocks) {
    block.n_values = n_values;
    block.replaced.resize(n_values * kBlockRows);
    block.difference.resize(plan.job_offsets[plan.n_players] * forest_.n_outputs * kBlockRows);
    block.gone.assign(plan.n_players, 0);
    block.departures.resize(max_depth_ + 1);
    block.steps = steps.data();
    block.value_at = value_at.data();
    block.tree_used = tree_used.data();
  }
  const auto run = plain_ && !any_nan(x, plan.n_rows * forest_.n_features) ? run_for<true>(plan) : run_for<false>(plan);
  parallel_for((plan.n_rows + kBlockRows - 1) / kBlockRows, n_threads,
               [&](std::int64_t task, int worker) {
                 const std::int64_t begin = task * kBlockRows, end = std::min(plan.n_rows, begin + kBlockRows);
                 (this->*run)(begin, end, x, by_column.data(), plan, base, out, blocks[worker]);
               },
               check);
}

void ReplacementPredictor::predict(const double* x, std::int64_t n_rows, const double* base_offset, double* out, int n_threads,
                                   const InterruptCheck& check) const {
  if (words_ != nullptr) return words_->predict(x, n_rows, base_offset, out, n_threads, check);
  const std::int64_t n_outputs = forest_.n_outputs, width = forest_.n_leaf_outputs;
  const bool plain = plain_ && !any_nan(x, n_rows * forest_.n_features);
  const auto leaf_of = [&](std::int64_t at, const double* row) {
    if (plain)
      while (nodes_[at].feature >= 0) at = nodes_[at].child + !(row[nodes_[at].feature] <= nodes_[at].threshold);
    else
      while (nodes_[at].feature >= 0) at = nodes_[at].child + !goes_left_rare(at, row[nodes_[at].feature]);
    return static_cast<std::int64_t>(nodes_[at].child);
  };
  parallel_for((n_rows + kBlockRows - 1) / kBlockRows, n_threads,
               [&](std::int64_t task, int) {
                 const std::int64_t begin = task * kBlockRows, end = std::min(n_rows, begin + kBlockRows);
                 for (std::int64_t i = begin; i < end; ++i)
                   std::copy(base_offset, base_offset + n_outputs, out + i * n_outputs);
                 for (std::int64_t t = 0; t < forest_.n_trees; ++t) {
                   checkpoint();
                   for (std::int64_t i = begin; i < end; ++i) {
                     const std::int64_t leaf = leaf_of(roots_[t], x + i * forest_.n_features);
                     double* sum = out + i * n_outputs;
                     if (width == 1) {
                       sum[forest_.tree_output[t]] += forest_.values[leaf];
                     } else {
                       for (std::int64_t k = 0; k < n_outputs; ++k) sum[k] += forest_.values[leaf * width + k];
                     }
                   }
                 }
               },
               check);
}

}  // namespace fastexplain
