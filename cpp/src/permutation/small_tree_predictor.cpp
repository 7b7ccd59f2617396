#include "permutation/small_tree_predictor.h"

#include <algorithm>

#include "aligned_buffer.h"

namespace fastexplain {
namespace {

constexpr std::size_t kMaxCuts = 32000;  // codes and a bound one higher fit into 16 bits, below the code of a missing value

// Zeros, because kernels read whole vectors of codes, also where there are no rows any more.
AlignedBuffer<std::int16_t> zeros(std::int64_t n) {
  AlignedBuffer<std::int16_t> codes(static_cast<std::size_t>(std::max<std::int64_t>(n, 1)));
  std::fill_n(codes.get(), n, std::int16_t{0});
  return codes;
}

}  // namespace

struct SmallTreePredictor::Program {
  std::vector<WordTree> trees;
  std::vector<WordSplit> splits;
  std::vector<WordGroup> groups;
  std::vector<WordMember> members;
  std::vector<std::int32_t> value_at;  // of each feature, -1 where it is not replaced
  std::int32_t n_values = 0, most_jobs = 0;
};

// Working memory of one thread.
struct SmallTreePredictor::Scratch {
  Scratch(std::int64_t n_sums, std::int64_t n_splits, std::int64_t n_jobs)
      : leaf_of(zeros((kMaxWordLeaves + n_splits) * kWordRows)),
        left(n_splits),
        reach(n_splits),
        words(n_splits * n_jobs),
        difference(n_sums * kWordRows) {
    for (int leaf = 0; leaf < kMaxWordLeaves; ++leaf)
      std::fill_n(leaf_of.get() + leaf * kWordRows, kWordRows, static_cast<std::int16_t>(leaf));
  }
  AlignedBuffer<std::int16_t> leaf_of;
  std::vector<std::uint64_t> left, reach, words;
  std::vector<double> difference;
};

bool SmallTreePredictor::takes(const ForestView& forest) {
  std::vector<std::size_t> n_splits(forest.n_features, 0);
  for (std::int64_t t = 0; t < forest.n_trees; ++t) {
    std::int64_t n_leaves = 0;
    for (std::int64_t i = forest.tree_offsets[t]; i < forest.tree_offsets[t + 1]; ++i) {
      if (forest.is_leaf(i)) {
        ++n_leaves;
        continue;
      }
      if (forest.is_categorical(i) || forest.zero_missing(i)) return false;
      if (++n_splits[forest.feature[i]] > kMaxCuts) return false;
    }
    if (n_leaves > kMaxWordLeaves) return false;
  }
  return true;
}

SmallTreePredictor::SmallTreePredictor(const ForestView& forest)
    : n_features_(forest.n_features),
      n_outputs_(forest.n_outputs),
      n_leaf_outputs_(forest.n_leaf_outputs),
      cuts_(forest.n_features) {
  const std::int64_t n_nodes = forest.tree_offsets[forest.n_trees];
  for (std::int64_t i = 0; i < n_nodes; ++i)
    if (!forest.is_leaf(i)) cuts_[forest.feature[i]].push_back(forest.threshold[i]);
  for (std::vector<double>& cuts : cuts_) {
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  }
  std::vector<std::int64_t> order;  // splits of a tree by level
  for (std::int64_t t = 0; t < forest.n_trees; ++t) {
    const std::int64_t root = forest.tree_offsets[t];
    WordTree tree{static_cast<std::int32_t>(splits_.size()),
                  0,
                  0,
                  0,
                  static_cast<std::int32_t>(leaf_values_.size()) / n_leaf_outputs_,
                  n_leaf_outputs_ == 1 ? forest.tree_output[t] : 0};
    order.clear();
    std::int32_t n_leaves = 0;
    const auto number_of = [&](std::int64_t i) -> std::int32_t {
      if (!forest.is_leaf(i)) {
        order.push_back(i);
        return kMaxWordLeaves + static_cast<std::int32_t>(order.size()) - 1;
      }
      leaf_values_.insert(leaf_values_.end(), forest.values + i * n_leaf_outputs_, forest.values + (i + 1) * n_leaf_outputs_);
      return n_leaves++;
    };
    number_of(root);
    for (std::size_t q = 0; q < order.size(); ++q) {
      const std::int64_t i = order[q];
      const std::vector<double>& cuts = cuts_[forest.feature[i]];
      const auto bound = std::lower_bound(cuts.begin(), cuts.end(), forest.threshold[i]) - cuts.begin();
      WordSplit split{};
      split.column = forest.feature[i];
      split.add = forest.default_left[i] ? 1 : 0;  // the code of a missing value wraps to the lowest
      split.bound = static_cast<std::int16_t>(bound + split.add);
      split.child[0] = number_of(root + forest.children_right[i]);
      split.child[1] = number_of(root + forest.children_left[i]);
      splits_.push_back(split);
    }
    tree.n_splits = static_cast<std::int32_t>(order.size());
    most_splits_ = std::max(most_splits_, tree.n_splits);
    trees_.push_back(tree);
  }
}

void SmallTreePredictor::add_groups(std::int64_t t, const ReplacementPlan& plan, const std::vector<std::int32_t>& value_at,
                                    Program& out) const {
  WordTree& tree = out.trees[t];
  WordSplit* const splits = out.splits.data() + tree.first_split;
  tree.first_group = static_cast<std::int32_t>(out.groups.size());
  std::vector<std::pair<std::int32_t, std::int32_t>> by_player;  // player and split
  for (std::int32_t v = 0; v < tree.n_splits; ++v) {
    splits[v].group = splits[v].member = -1;
    const std::int32_t player = plan.feature_player[splits[v].column];
    if (player >= 0) by_player.emplace_back(player, v);
  }
  std::sort(by_player.begin(), by_player.end());
  for (std::size_t q = 0; q < by_player.size(); ++q) {
    const auto [player, v] = by_player[q];
    if (q == 0 || by_player[q - 1].first != player) {
      WordGroup group{};
      group.first_member = static_cast<std::int32_t>(out.members.size());
      group.first_job = static_cast<std::int32_t>(plan.job_offsets[player]);
      group.n_jobs = static_cast<std::int32_t>(plan.job_offsets[player + 1]) - group.first_job;
      out.groups.push_back(group);
    }
    WordGroup& group = out.groups.back();
    splits[v].group = static_cast<std::int32_t>(out.groups.size()) - 1 - tree.first_group;
    splits[v].member = group.n_members++;
    group.holds[v / 64] |= std::uint64_t{1} << (v % 64);
    out.members.push_back({v, value_at[splits[v].column]});
  }
  tree.n_groups = static_cast<std::int32_t>(out.groups.size()) - tree.first_group;
  // From the leaves up: a split holds what its children hold.
  for (std::int32_t g = 0; g < tree.n_groups; ++g) {
    WordGroup& group = out.groups[tree.first_group + g];
    if (group.n_members < 2) continue;
    for (std::int32_t v = tree.n_splits; v-- > 0;)
      for (const std::int32_t child : splits[v].child) {
        const std::int32_t below = child - kMaxWordLeaves;
        if (below < 0 || !((group.holds[below / 64] >> (below % 64)) & 1)) continue;
        group.repeated |= splits[v].group == g;
        group.holds[v / 64] |= std::uint64_t{1} << (v % 64);
      }
  }
}

SmallTreePredictor::Program SmallTreePredictor::program(const ReplacementPlan& plan) const {
  Program out;
  out.trees = trees_;
  out.splits = splits_;
  out.value_at.assign(n_features_, -1);
  for (std::int32_t f = 0; f < n_features_; ++f) {
    const std::int32_t player = plan.feature_player[f];
    if (player < 0 || cuts_[f].empty()) continue;
    const auto n_jobs = static_cast<std::int32_t>(plan.job_offsets[player + 1] - plan.job_offsets[player]);
    out.value_at[f] = out.n_values;
    out.n_values += n_jobs;
    out.most_jobs = std::max(out.most_jobs, n_jobs);
  }
  for (std::size_t t = 0; t < trees_.size(); ++t) add_groups(static_cast<std::int64_t>(t), plan, out.value_at, out);
  return out;
}

void SmallTreePredictor::replace(const double* by_column, const ReplacementPlan& plan, const double* base, double rounder,
                                 double* out, int n_threads, const InterruptCheck& check) const {
  const KernelTable& kernels = active_kernels();
  const std::int64_t n_rows = plan.n_rows, n_jobs = plan.job_offsets[plan.n_players];
  const std::int64_t n_tiles = (n_rows + kTileRows - 1) / kTileRows, stride = n_tiles * kTileRows;
  const Program program = this->program(plan);
  const AlignedBuffer<std::int16_t> codes = zeros(stride * n_features_), replaced = zeros(stride * program.n_values);
  parallel_for(
      n_features_, n_threads,
      [&](std::int64_t f, int) {
        if (cuts_[f].empty()) return;
        const EncodeColumn column{static_cast<std::int32_t>(f), false, false, cuts_[f].data(),
                                  static_cast<std::int32_t>(cuts_[f].size())};
        EncodeTask task{};
        task.row_stride = sizeof(double);
        task.column_stride = n_rows * static_cast<std::int64_t>(sizeof(double));
        task.columns = &column;
        task.n_columns = 1;
        for (std::int64_t tile = 0; tile < n_tiles; ++tile) {
          task.data = reinterpret_cast<const char*>(by_column + tile * kTileRows);
          task.n_rows = static_cast<int>(std::min<std::int64_t>(kTileRows, n_rows - tile * kTileRows));
          task.codes = codes.get() + f * stride + tile * kTileRows;
          kernels.tree.encode(task);
        }
        if (program.value_at[f] < 0) return;
        // while the column is in the cache
        const std::int32_t player = plan.feature_player[f];
        const std::int16_t* from = codes.get() + f * stride;
        std::int16_t* to = replaced.get() + program.value_at[f] * stride;
        for (std::int64_t job = plan.job_offsets[player]; job < plan.job_offsets[player + 1]; ++job, to += stride)
          for (std::int64_t i = 0; i < n_rows; ++i) to[i] = from[plan.donors[job * n_rows + i]];
      },
      check);
  std::vector<Scratch> scratches;
  scratches.reserve(n_threads);
  for (int worker = 0; worker < n_threads; ++worker)
    scratches.emplace_back(n_jobs * n_outputs_, most_splits_, program.most_jobs);
  parallel_for((n_rows + kWordRows - 1) / kWordRows, n_threads,
               [&](std::int64_t block, int worker) {
                 Scratch& scratch = scratches[worker];
                 const std::int64_t begin = block * kWordRows, n_live = std::min<std::int64_t>(kWordRows, n_rows - begin);
                 std::fill(scratch.difference.begin(), scratch.difference.end(), 0.0);
                 ReplaceTask task{};
                 task.trees = program.trees.data();
                 task.n_trees = static_cast<std::int64_t>(program.trees.size());
                 task.splits = program.splits.data();
                 task.groups = program.groups.data();
                 task.members = program.members.data();
                 task.leaf_values = leaf_values_.data();
                 task.n_outputs = n_outputs_;
                 task.n_leaf_outputs = n_leaf_outputs_;
                 task.own = codes.get() + begin;
                 task.stride = stride;
                 task.replaced = replaced.get() + begin;
                 task.live = n_live == kWordRows ? ~std::uint64_t{0} : (std::uint64_t{1} << n_live) - 1;
                 task.left = scratch.left.data();
                 task.reach = scratch.reach.data();
                 task.words = scratch.words.data();
                 task.leaf_of = scratch.leaf_of.get();
                 task.difference = scratch.difference.data();
                 kernels.replacement.replace(task);
                 for (std::int64_t job = 0; job < n_jobs; ++job)
                   for (std::int64_t k = 0; k < n_outputs_; ++k) {
                     const double* difference = scratch.difference.data() + (job * n_outputs_ + k) * kWordRows;
                     double* to = out + (job * n_rows + begin) * n_outputs_ + k;
                     for (std::int64_t i = 0; i < n_live; ++i)
                       to[i * n_outputs_] = (base[(begin + i) * n_outputs_ + k] + difference[i] + rounder) - rounder;
                   }
               },
               check);
}

}  // namespace fastexplain
