#include "permutation/small_tree_predictor.h"

#include <algorithm>

namespace fastexplain {
namespace {

constexpr std::size_t kMaxCuts = 32000;  // codes and a bound one higher fit into 16 bits, below the code of a missing value

// Zeros, because kernels read whole vectors of codes, also where there are no rows any more.
AlignedBuffer<std::int16_t> zeros(std::int64_t n) {
  AlignedBuffer<std::int16_t> codes(static_cast<std::size_t>(std::max<std::int64_t>(n, 1)));
  std::fill_n(codes.get(), n, std::int16_t{0});
  return codes;
}

// Outputs of one job's rows, rounded, from their own and what replacing changed, [output][64].
void finish(const double* base, const double* change, std::int64_t n, std::int64_t n_outputs, double rounder, double* out) {
  if (n_outputs == 1) {  // numbers side by side, as vectors want them
    for (std::int64_t i = 0; i < n; ++i) out[i] = (base[i] + change[i] + rounder) - rounder;
    return;
  }
  for (std::int64_t k = 0; k < n_outputs; ++k)
    for (std::int64_t i = 0; i < n; ++i)
      out[i * n_outputs + k] = (base[i * n_outputs + k] + change[k * kWordRows + i] + rounder) - rounder;
}

std::int64_t tiles_of(std::int64_t n_rows) { return (n_rows + kTileRows - 1) / kTileRows; }

}  // namespace

// Working memory of one thread.
struct SmallTreePredictor::Scratch {
  Scratch(const WordProgram& program, std::int64_t n_sums)
      : left(program.most_splits),
        reach(program.most_splits + program.most_steps + 1),
        words(program.most_splits * program.most_jobs),
        values(value_of_split(program.most_splits + program.most_steps).at),
        n_sums(n_sums * kWordRows),
        sums(this->n_sums) {}

  void clear() { std::fill_n(sums.get(), n_sums, 0.0); }

  std::vector<std::uint64_t> left, reach, words;
  AlignedBuffer<double> values;
  std::int64_t n_sums;
  AlignedBuffer<double> sums;
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
      cuts_(forest.n_features),
      column_of_(forest.n_features, -1) {
  const std::int64_t n_nodes = forest.tree_offsets[forest.n_trees];
  for (std::int64_t i = 0; i < n_nodes; ++i)
    if (!forest.is_leaf(i)) cuts_[forest.feature[i]].push_back(forest.threshold[i]);
  for (std::int32_t f = 0; f < n_features_; ++f) {
    std::vector<double>& cuts = cuts_[f];
    if (cuts.empty()) continue;
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    column_of_[f] = static_cast<std::int32_t>(columns_.size());
    columns_.push_back({f, false, false, cuts.data(), static_cast<std::int32_t>(cuts.size())});
  }
  for (std::int64_t t = 0; t < forest.n_trees; ++t) add_tree(forest, t);
}

void SmallTreePredictor::add_tree(const ForestView& forest, std::int64_t t) {
  const std::int64_t root = forest.tree_offsets[t];
  WordTree tree{};
  tree.first_split = static_cast<std::int32_t>(forest_.splits.size());
  tree.first_leaf = static_cast<std::int32_t>(leaf_values_.size()) / n_leaf_outputs_;
  tree.output = n_leaf_outputs_ == 1 ? forest.tree_output[t] : 0;
  std::vector<std::int64_t> order;  // splits by level
  const auto number_of = [&](std::int64_t i) -> std::int32_t {
    if (!forest.is_leaf(i)) {
      order.push_back(i);
      return kMaxWordLeaves + static_cast<std::int32_t>(order.size()) - 1;
    }
    leaf_values_.insert(leaf_values_.end(), forest.values + i * n_leaf_outputs_, forest.values + (i + 1) * n_leaf_outputs_);
    return tree.n_leaves++;
  };
  number_of(root);
  for (std::size_t q = 0; q < order.size(); ++q) {
    const std::int64_t i = order[q];
    const std::vector<double>& cuts = cuts_[forest.feature[i]];
    const auto bound = std::lower_bound(cuts.begin(), cuts.end(), forest.threshold[i]) - cuts.begin();
    WordSplit split{};
    split.feature = forest.feature[i];
    split.column = column_of_[split.feature];
    split.add = forest.default_left[i] ? 1 : 0;  // the code of a missing value wraps to the lowest
    split.bound = static_cast<std::int16_t>(bound + split.add);
    split.child[0] = number_of(root + forest.children_right[i]);
    split.child[1] = number_of(root + forest.children_left[i]);
    for (int side = 0; side < 2; ++side) split.value[side] = value_of_child(split.child[side]);
    forest_.splits.push_back(split);
  }
  tree.n_splits = static_cast<std::int32_t>(order.size());
  forest_.most_splits = std::max(forest_.most_splits, tree.n_splits);
  forest_.trees.push_back(tree);
}

void SmallTreePredictor::encode(const double* x, std::int64_t n_rows, std::int64_t first, std::int16_t* codes) const {
  EncodeTask task{};
  task.data = reinterpret_cast<const char*>(x + first * n_features_);
  task.row_stride = n_features_ * static_cast<std::int64_t>(sizeof(double));
  task.column_stride = sizeof(double);
  task.n_rows = static_cast<int>(std::min<std::int64_t>(kTileRows, n_rows - first));
  task.columns = columns_.data();
  task.n_columns = static_cast<std::int32_t>(columns_.size());
  task.codes = codes;
  active_kernels().tree.encode(task);
}

// Scratch and what all blocks of rows have in common.
ReplaceTask SmallTreePredictor::task_of(const WordProgram& program, Scratch& scratch) const {
  ReplaceTask task{};
  task.trees = program.trees.data();
  task.n_trees = static_cast<std::int64_t>(program.trees.size());
  task.splits = program.splits.data();
  task.groups = program.groups.data();
  task.members = program.members.data();
  task.blends = program.blends.data();
  task.passes = program.passes.data();
  task.leaf_values = leaf_values_.data();
  task.n_outputs = n_outputs_;
  task.n_leaf_outputs = n_leaf_outputs_;
  task.stride = kTileRows;
  task.left = scratch.left.data();
  task.reach = scratch.reach.data();
  task.words = scratch.words.data();
  task.values = scratch.values.get();
  task.sums = scratch.sums.get();
  return task;
}

void SmallTreePredictor::predict(const double* x, std::int64_t n_rows, const double* base_offset, double* out, int n_threads,
                                 const InterruptCheck& check) const {
  const KernelTable& kernels = active_kernels();
  std::vector<Scratch> scratches;
  std::vector<Codes> codes;
  for (int worker = 0; worker < n_threads; ++worker) {
    scratches.emplace_back(forest_, n_outputs_);
    codes.push_back(zeros(n_columns() * kTileRows));
  }
  parallel_for(
      tiles_of(n_rows), n_threads,
      [&](std::int64_t tile, int worker) {
        Scratch& scratch = scratches[worker];
        ReplaceTask task = task_of(forest_, scratch);
        const std::int64_t first = tile * kTileRows, end = std::min(first + kTileRows, n_rows);
        encode(x, n_rows, first, codes[worker].get());
        for (std::int64_t begin = first; begin < end; begin += kWordRows) {
          task.own = codes[worker].get() + (begin - first);
          scratch.clear();
          kernels.replacement.predict(task);
          for (std::int64_t i = begin; i < std::min(begin + kWordRows, end); ++i)
            for (std::int32_t k = 0; k < n_outputs_; ++k)
              out[i * n_outputs_ + k] = base_offset[k] + scratch.sums.get()[k * kWordRows + i - begin];
        }
      },
      check);
}

// Codes that rows have in each job, [block of 64 rows][value][64], from their own, [tile][column][kTileRows]; and which
// features are missing in some row.
SmallTreePredictor::Codes SmallTreePredictor::replaced_codes(const ReplacementPlan& plan, const WordProgram& program,
                                                             const Codes& own, std::vector<std::uint8_t>& missing,
                                                             int n_threads, const InterruptCheck& check) const {
  const std::int64_t n_rows = plan.n_rows, n_tiles = tiles_of(n_rows);
  Codes replaced = zeros(n_tiles * kTileRows * program.n_values);
  std::vector<std::vector<std::int16_t>> columns(n_threads, std::vector<std::int16_t>(n_tiles * kTileRows));
  parallel_for(
      n_columns(), n_threads,
      [&](std::int64_t c, int worker) {
        const std::int32_t f = columns_[c].feature;
        if (program.value_at[f] < 0) return;
        std::int16_t* const column = columns[worker].data();  // in one piece, because donors lie anywhere
        for (std::int64_t tile = 0; tile < n_tiles; ++tile)
          std::copy_n(own.get() + (tile * n_columns() + c) * kTileRows, kTileRows, column + tile * kTileRows);
        missing[f] = std::find(column, column + n_rows, kMissingNarrow) != column + n_rows;
        const std::int32_t player = plan.feature_player[f];
        std::int64_t value = program.value_at[f];
        for (std::int64_t job = plan.job_offsets[player]; job < plan.job_offsets[player + 1]; ++job, ++value) {
          const std::int32_t* donors = plan.donors + job * n_rows;
          for (std::int64_t begin = 0; begin < n_rows; begin += kWordRows) {
            std::int16_t* to = replaced.get() + begin * program.n_values + value * kWordRows;
            const std::int64_t n = std::min<std::int64_t>(kWordRows, n_rows - begin);
            for (std::int64_t i = 0; i < n; ++i) to[i] = column[donors[begin + i]];
          }
        }
      },
      check);
  return replaced;
}

void SmallTreePredictor::replace(const double* x, const ReplacementPlan& plan, const double* base, double rounder, double* out,
                                 int n_threads, const InterruptCheck& check) const {
  const KernelTable& kernels = active_kernels();
  const std::int64_t n_rows = plan.n_rows, n_jobs = plan.job_offsets[plan.n_players], n_tiles = tiles_of(n_rows);
  const Codes own = zeros(n_tiles * kTileRows * n_columns());
  parallel_for(
      n_tiles, n_threads,
      [&](std::int64_t tile, int) { encode(x, n_rows, tile * kTileRows, own.get() + tile * kTileRows * n_columns()); }, check);
  WordProgram program = forest_;
  number_values(plan, column_of_, program);
  std::vector<std::uint8_t> missing(n_features_, 0);
  const Codes replaced = replaced_codes(plan, program, own, missing, n_threads, check);
  add_groups(plan, missing, program);
  std::vector<Scratch> scratches;
  scratches.reserve(n_threads);
  for (int worker = 0; worker < n_threads; ++worker) scratches.emplace_back(program, n_jobs * n_outputs_);
  parallel_for((n_rows + kWordRows - 1) / kWordRows, n_threads,
               [&](std::int64_t block, int worker) {
                 Scratch& scratch = scratches[worker];
                 const std::int64_t begin = block * kWordRows, n_live = std::min<std::int64_t>(kWordRows, n_rows - begin);
                 ReplaceTask task = task_of(program, scratch);
                 task.own = own.get() + begin / kTileRows * kTileRows * n_columns() + begin % kTileRows;
                 task.replaced = replaced.get() + begin * program.n_values;
                 task.live = n_live == kWordRows ? ~std::uint64_t{0} : (std::uint64_t{1} << n_live) - 1;
                 scratch.clear();
                 kernels.replacement.replace(task);
                 for (std::int64_t job = 0; job < n_jobs; ++job)
                   finish(base + begin * n_outputs_, scratch.sums.get() + job * n_outputs_ * kWordRows, n_live, n_outputs_,
                          rounder, out + (job * n_rows + begin) * n_outputs_);
               },
               check);
}

}  // namespace fastexplain
