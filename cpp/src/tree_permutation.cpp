#include "fastexplain/tree_permutation.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace fastexplain {
namespace {

constexpr std::int64_t kBlockRows = 32;  // rows per task: neighbours share the cache lines of the output

}  // namespace

struct TreePermuter::Worker {
  struct Departure {
    std::int32_t sibling;
    std::int32_t player;
    std::uint64_t jobs;
  };
  std::vector<double> replaced;             // values of feature f under job m, at value_at[f] + m
  std::vector<double> difference;           // (n_jobs, n_outputs)
  std::vector<std::uint64_t> gone;          // per player: jobs that have left the row's own path in this tree
  std::vector<Departure> departures;        // of this tree
  const std::int64_t* value_at = nullptr;   // (n_features,)
  const std::uint8_t* tree_used = nullptr;  // (n_trees,): some split is on a feature of a player
};

TreePermuter::TreePermuter(const ForestView& forest) : forest_(forest) {
  const std::int64_t n_nodes = forest.tree_offsets[forest.n_trees];
  nodes_.resize(n_nodes);
  for (std::int64_t t = 0; t < forest.n_trees; ++t) {
    const std::int64_t root = forest.tree_offsets[t];
    for (std::int64_t i = root; i < forest.tree_offsets[t + 1]; ++i) {
      Node& node = nodes_[i];
      if (forest.is_leaf(i)) {
        node = {0.0, -1, -1, -1, 0};
        continue;
      }
      node = {forest.threshold[i], forest.feature[i], static_cast<std::int32_t>(root + forest.children_left[i]),
              static_cast<std::int32_t>(root + forest.children_right[i]), forest.default_left[i] ? kDefaultLeft : 0};
      if (forest.zero_missing(i)) node.kind |= kZeroMissing;
      if (forest.is_categorical(i)) node.kind |= kCategorical;
    }
  }
}

bool TreePermuter::in_set(std::int64_t at, double x) const {
  if (!(x > -1.0 && x < 2147483648.0)) return false;  // truncates to no category
  const auto category = static_cast<std::int32_t>(x);
  const std::int32_t set = forest_.category_set[at];
  const std::int32_t* begin = forest_.category_set_members + forest_.category_set_offsets[set];
  const std::int32_t* end = forest_.category_set_members + forest_.category_set_offsets[set + 1];
  return std::find(begin, end, category) != end;  // members need not be sorted
}

inline bool TreePermuter::goes_left(std::int64_t at, const Node& node, double x) const {
  if (node.kind <= kDefaultLeft) return node.kind ? !(x > node.threshold) : x <= node.threshold;  // NaN: the default
  const bool zero = (node.kind & kZeroMissing) && std::abs(x) <= kZeroThreshold;
  if (zero || x != x) return node.kind & kDefaultLeft;
  return (node.kind & kCategorical) ? in_set(at, x) : x <= node.threshold;
}

// Bit m: value m goes left.
inline std::uint64_t TreePermuter::left_bits(std::int64_t at, const Node& node, const double* values, std::int64_t n) const {
  std::uint64_t bits = 0;
  const double threshold = node.threshold;
  if (node.kind == 0) {
    for (std::int64_t m = 0; m < n; ++m) bits |= static_cast<std::uint64_t>(values[m] <= threshold) << m;
  } else if (node.kind == kDefaultLeft) {
    for (std::int64_t m = 0; m < n; ++m) bits |= static_cast<std::uint64_t>(!(values[m] > threshold)) << m;
  } else {
    for (std::int64_t m = 0; m < n; ++m) bits |= static_cast<std::uint64_t>(goes_left(at, node, values[m])) << m;
  }
  return bits;
}

inline std::int64_t TreePermuter::walk(std::int64_t at, const double* x) const {
  while (nodes_[at].feature >= 0) {
    const Node& node = nodes_[at];
    at = goes_left(at, node, x[node.feature]) ? node.left : node.right;
  }
  return at;
}

inline void TreePermuter::add(std::int64_t t, std::int64_t job, std::int64_t leaf, std::int64_t base_leaf,
                              Worker& worker) const {
  const std::int64_t n_outputs = forest_.n_outputs, width = forest_.n_leaf_outputs;
  double* difference = worker.difference.data() + job * n_outputs;
  if (width == 1) {
    difference[forest_.tree_output[t]] += forest_.values[leaf] - forest_.values[base_leaf];
    return;
  }
  const double* to = forest_.values + leaf * width;
  const double* from = forest_.values + base_leaf * width;
  for (std::int64_t k = 0; k < n_outputs; ++k) difference[k] += to[k] - from[k];
}

void TreePermuter::tree(std::int64_t t, const double* x, const ReplacementPlan& plan, Worker& worker) const {
  worker.departures.clear();
  std::int64_t at = forest_.tree_offsets[t];
  while (nodes_[at].feature >= 0) {
    const Node& node = nodes_[at];
    const bool left = goes_left(at, node, x[node.feature]);
    const std::int32_t player = plan.feature_player[node.feature];
    if (player >= 0) {
      const std::int64_t n_jobs = plan.job_offsets[player + 1] - plan.job_offsets[player];
      std::uint64_t other = left_bits(at, node, worker.replaced.data() + worker.value_at[node.feature], n_jobs);
      if (left) other = ~other & (n_jobs == 64 ? ~0ull : (1ull << n_jobs) - 1);
      other &= ~worker.gone[player];
      if (other) {
        worker.gone[player] |= other;
        worker.departures.push_back({left ? node.right : node.left, player, other});
      }
    }
    at = left ? node.left : node.right;
  }
  for (const auto& departure : worker.departures) {
    worker.gone[departure.player] = 0;
    const std::int64_t first_job = plan.job_offsets[departure.player];
    std::int64_t below = departure.sibling;  // shared by all jobs until a split on the player's own features
    while (nodes_[below].feature >= 0 && plan.feature_player[nodes_[below].feature] != departure.player) {
      const Node& node = nodes_[below];
      below = goes_left(below, node, x[node.feature]) ? node.left : node.right;
    }
    for (std::uint64_t jobs = departure.jobs; jobs; jobs &= jobs - 1) {
      const std::int64_t m = std::countr_zero(jobs);
      std::int64_t leaf = below;
      while (nodes_[leaf].feature >= 0) {
        const Node& node = nodes_[leaf];
        const bool own = plan.feature_player[node.feature] == departure.player;
        const double value = own ? worker.replaced[worker.value_at[node.feature] + m] : x[node.feature];
        leaf = goes_left(leaf, node, value) ? node.left : node.right;
      }
      add(t, first_job + m, leaf, at, worker);
    }
  }
}

void TreePermuter::row(std::int64_t i, const double* x, const double* by_column, const ReplacementPlan& plan, const double* base,
                       double* out, Worker& worker) const {
  const std::int64_t n_features = forest_.n_features, n_outputs = forest_.n_outputs, n_rows = plan.n_rows;
  for (std::int64_t f = 0; f < n_features; ++f) {
    const std::int32_t player = plan.feature_player[f];
    if (player < 0) continue;
    double* replaced = worker.replaced.data() + worker.value_at[f];
    const std::int64_t first = plan.job_offsets[player], n_jobs = plan.job_offsets[player + 1] - first;
    const std::int32_t* donors = plan.donors + first * n_rows + i;
    for (std::int64_t m = 0; m < n_jobs; ++m) replaced[m] = by_column[f * n_rows + donors[m * n_rows]];
  }
  std::fill(worker.difference.begin(), worker.difference.end(), 0.0);
  for (std::int64_t t = 0; t < forest_.n_trees; ++t)
    if (worker.tree_used[t]) tree(t, x + i * n_features, plan, worker);
  const std::int64_t n_jobs = plan.job_offsets[plan.n_players];
  for (std::int64_t job = 0; job < n_jobs; ++job)
    for (std::int64_t k = 0; k < n_outputs; ++k)
      out[(job * n_rows + i) * n_outputs + k] = base[i * n_outputs + k] + worker.difference[job * n_outputs + k];
}

void TreePermuter::replace(const double* x, const double* by_column, const ReplacementPlan& plan, const double* base, double* out,
                           int n_threads, const InterruptCheck& check) const {
  std::vector<std::int64_t> value_at(forest_.n_features, 0);
  std::int64_t n_values = 0;
  for (std::int64_t f = 0; f < forest_.n_features; ++f) {
    const std::int32_t player = plan.feature_player[f];
    if (player < 0) continue;
    value_at[f] = n_values;
    n_values += plan.job_offsets[player + 1] - plan.job_offsets[player];
  }
  std::vector<std::uint8_t> tree_used(forest_.n_trees, 0);
  for (std::int64_t t = 0; t < forest_.n_trees; ++t)
    for (std::int64_t at = forest_.tree_offsets[t]; at < forest_.tree_offsets[t + 1]; ++at)
      if (nodes_[at].feature >= 0 && plan.feature_player[nodes_[at].feature] >= 0) tree_used[t] = 1;
  std::vector<Worker> workers(n_threads);
  for (Worker& worker : workers) {
    worker.replaced.resize(n_values);
    worker.difference.resize(plan.job_offsets[plan.n_players] * forest_.n_outputs);
    worker.gone.assign(plan.n_players, 0);
    worker.value_at = value_at.data();
    worker.tree_used = tree_used.data();
  }
  const std::int64_t n_blocks = (plan.n_rows + kBlockRows - 1) / kBlockRows;
  parallel_for(
      n_blocks, n_threads,
      [&](std::int64_t block, int worker) {
        const std::int64_t end = std::min(plan.n_rows, (block + 1) * kBlockRows);
        for (std::int64_t i = block * kBlockRows; i < end; ++i) row(i, x, by_column, plan, base, out, workers[worker]);
      },
      check);
}

void TreePermuter::predict(const double* x, std::int64_t n_rows, const double* base_offset, double* out, int n_threads,
                           const InterruptCheck& check) const {
  const std::int64_t n_outputs = forest_.n_outputs, width = forest_.n_leaf_outputs;
  parallel_for(
      (n_rows + kBlockRows - 1) / kBlockRows, n_threads,
      [&](std::int64_t block, int) {
        const std::int64_t end = std::min(n_rows, (block + 1) * kBlockRows);
        for (std::int64_t i = block * kBlockRows; i < end; ++i) {
          double* sum = out + i * n_outputs;
          std::copy(base_offset, base_offset + n_outputs, sum);
          for (std::int64_t t = 0; t < forest_.n_trees; ++t) {
            const std::int64_t leaf = walk(forest_.tree_offsets[t], x + i * forest_.n_features);
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
