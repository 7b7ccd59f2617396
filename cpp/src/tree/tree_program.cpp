#include "tree/tree_program.h"

#include <algorithm>
#include <map>

#include "fastexplain/parallel.h"

namespace fastexplain {
namespace {

// int16 codes leave room for the missing code (32767) and for adding 1 to the largest ordinary one.
constexpr std::size_t kMaxNarrowCuts = 32000;
// Groups of trees that are summed apart, so that one block of rows can be shared by several threads.
constexpr std::int64_t kMaxBundles = 16;

constexpr std::size_t kFirstLimit = 65536;

void sort_unique(std::vector<double>& cuts) {
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
}

// Column numbers by (feature, categorical, zero_is_missing), as a dense table.
class ColumnIndex {
 public:
  explicit ColumnIndex(std::int32_t n_features) : index_(static_cast<std::size_t>(n_features) * 4, -1) {}
  std::int32_t& at(std::int32_t feature, bool categorical, bool zero_is_missing) {
    return index_[static_cast<std::size_t>(feature) * 4 + (categorical ? 2 : 0) + (zero_is_missing ? 1 : 0)];
  }

 private:
  std::vector<std::int32_t> index_;
};

// The forest's columns with their cuts.
std::vector<Column> collect_columns(const ForestView& forest, ColumnIndex& index) {
  std::vector<Column> columns;
  std::vector<std::size_t> limits;  // a column is rid of duplicates whenever it has doubled
  const std::int64_t n_nodes = forest.tree_offsets[forest.n_trees];
  for (std::int64_t node = 0; node < n_nodes; ++node) {
    if (forest.is_leaf(node)) continue;
    const bool categorical = forest.is_categorical(node), zero = forest.zero_missing(node);
    auto& number = index.at(forest.feature[node], categorical, zero);
    if (number < 0) {
      number = static_cast<std::int32_t>(columns.size());
      columns.push_back({forest.feature[node], categorical, zero, {}});
      limits.push_back(kFirstLimit);
    }
    auto& cuts = columns[number].cuts;
    if (categorical) {
      const auto set = forest.category_set[node];
      for (auto i = forest.category_set_offsets[set]; i < forest.category_set_offsets[set + 1]; ++i)
        cuts.push_back(forest.category_set_members[i]);
    } else {
      cuts.push_back(forest.threshold[node]);
    }
    if (cuts.size() >= limits[number]) {
      sort_unique(cuts);
      limits[number] = std::max(kFirstLimit, 2 * cuts.size());
    }
  }
  for (auto& column : columns) {
    sort_unique(column.cuts);
    column.cuts.shrink_to_fit();
  }
  return columns;
}

// Compiles one tree, depth first with an explicit stack: a degenerate tree may be thousands of levels deep.
template <class T>
class TreeCompiler {
 public:
  // position: of each feature among those that the forest splits on.
  TreeCompiler(const ForestView& forest, const std::vector<Column>& columns, ColumnIndex& index,
               const std::vector<std::int32_t>& position)
      : forest_(forest),
        columns_(columns),
        index_(index),
        position_(position),
        path_(forest.n_features),
        slot_(forest.n_features, -1) {}

  TreeProgram<T> compile(std::int64_t tree) {
    program_ = {};
    root_ = forest_.tree_offsets[tree];
    program_.output = forest_.n_leaf_outputs == 1 ? forest_.tree_output[tree] : 0;
    if (!forest_.is_leaf(root_)) {
      walk();
      program_.n_points = std::max(1, (max_distinct_ + 1) / 2);
      fill_category_blocks();
    }
    for (auto& feature : program_.features) {
      slot_[feature] = -1;
      feature = position_[feature];
    }
    categorical_.clear();
    distinct_ = max_distinct_ = 0;
    shrink();
    return std::move(program_);
  }

 private:
  enum Kind { kLeaf, kTwig, kSubtree };

  // What the current path knows of a feature.
  struct PathState {
    std::int32_t ancestor = -1;  // as in Decision
    double accumulated = 1.0;
  };

  struct Frame {
    std::int64_t node, first, second;
    Kind first_kind, second_kind;
    std::uint32_t number;
    std::uint32_t level;
    std::uint32_t side;
    double share;
    PathState before;  // of the node's feature, to be put back
    int stage = 0;
  };

  std::int64_t left(std::int64_t node) const { return root_ + forest_.children_left[node]; }
  std::int64_t right(std::int64_t node) const { return root_ + forest_.children_right[node]; }

  Kind kind(std::int64_t node) const {
    if (forest_.is_leaf(node)) return kLeaf;
    return forest_.is_leaf(left(node)) && forest_.is_leaf(right(node)) ? kTwig : kSubtree;
  }

  void walk() {
    std::vector<Frame> stack;
    stack.push_back(open(root_, 1, 0));
    while (!stack.empty()) {
      Frame& frame = stack.back();
      const std::int32_t feature = forest_.feature[frame.node];
      switch (frame.stage++) {
        case 0:
          // Twigs are numbered right after their parent, so that its step finds them.
          if (frame.first_kind == kTwig) twig(frame, 0);
          if (frame.second_kind == kTwig) twig(frame, 1);
          if (frame.first_kind == kSubtree) {
            take(feature, frame, 0);
            emit(Step::kEnterFirst, frame);
            stack.push_back(open(frame.first, frame.level + 1, 0));
          }
          break;
        case 1:
          if (frame.second_kind == kSubtree) {
            take(feature, frame, 1);
            emit(Step::kEnterSecond, frame);
            stack.push_back(open(frame.second, frame.level + 1, 1));
          }
          break;
        default:
          path_[feature] = frame.before;
          emit(last_step(frame), frame);
          close(frame);
          stack.pop_back();
      }
    }
  }

  // Numbers a node and fills in what does not depend on its subtrees. Children are swapped so that the larger kind is first.
  Frame open(std::int64_t node, std::uint32_t level, std::uint32_t side) {
    Frame frame;
    frame.node = node;
    frame.level = level;
    frame.side = side;
    frame.first = left(node);
    frame.second = right(node);
    frame.first_kind = kind(frame.first);
    frame.second_kind = kind(frame.second);
    const bool flip = frame.second_kind > frame.first_kind;
    if (flip) {
      std::swap(frame.first, frame.second);
      std::swap(frame.first_kind, frame.second_kind);
    }
    const double first = forest_.cover[frame.first], both = first + forest_.cover[frame.second];
    frame.share = both > 0 ? first / both : 0.5;  // no training row came here: neutral
    const std::int32_t feature = forest_.feature[node];
    frame.before = path_[feature];
    frame.number = static_cast<std::uint32_t>(program_.decisions.size());
    add_decision(node, flip, frame.before);
    program_.constants.push_back({static_cast<T>(frame.share), static_cast<T>(frame.before.accumulated), slot(feature),
                                  frame.before.ancestor >= 0 ? 1u : 0u});
    const int n_leaf = forest_.n_leaf_outputs;
    for (const auto child : {frame.first, frame.second})
      for (int k = 0; k < n_leaf; ++k)
        program_.leaf_values.push_back(forest_.is_leaf(child) ? static_cast<T>(forest_.values[child * n_leaf + k]) : T{0});
    if (frame.before.ancestor < 0) ++distinct_;
    max_distinct_ = std::max(max_distinct_, distinct_);
    program_.n_levels = std::max(program_.n_levels, static_cast<std::int32_t>(level));
    return frame;
  }

  void add_decision(std::int64_t node, bool flip, const PathState& before) {
    const bool categorical = forest_.is_categorical(node);
    const auto number = index_.at(forest_.feature[node], categorical, forest_.zero_missing(node));
    Decision decision{0, static_cast<std::uint32_t>(number), before.ancestor};
    if (categorical) {
      decision.column |= Decision::kCategorical;
      categorical_.push_back({static_cast<std::uint32_t>(program_.decisions.size()), node, flip});
    } else {
      const auto& cuts = columns_[number].cuts;
      const auto cut = std::lower_bound(cuts.begin(), cuts.end(), forest_.threshold[node]) - cuts.begin();
      const bool wraps = forest_.default_left[node] != 0;
      decision.bound = static_cast<std::int32_t>(cut) + (wraps ? 1 : 0);
      decision.column |= (wraps ? Decision::kMissingWraps : 0) | (flip ? Decision::kFlip : 0);
    }
    program_.decisions.push_back(decision);
  }

  // A twig needs a number and constants, but no step of its own.
  void twig(const Frame& parent, int side) {
    const std::int32_t feature = forest_.feature[parent.node];
    take(feature, parent, side);
    close(open(side == 0 ? parent.first : parent.second, 0, 0));
    path_[feature] = parent.before;
  }

  void take(std::int32_t feature, const Frame& frame, int side) {
    path_[feature] = {static_cast<std::int32_t>(frame.number) * 2 + side,
                      frame.before.accumulated * (side == 0 ? frame.share : 1 - frame.share)};
  }

  void close(const Frame& frame) {
    if (frame.before.ancestor < 0) --distinct_;
  }

  Step last_step(const Frame& frame) const {
    if (frame.first_kind == kSubtree) {
      return frame.second_kind == kSubtree ? Step::kCombineSubSub
             : frame.second_kind == kTwig  ? Step::kCombineSubTwig
                                           : Step::kCombineSubLeaf;
    }
    if (frame.first_kind == kTwig) return frame.second_kind == kTwig ? Step::kTwigTwig : Step::kTwigLeaf;
    return Step::kLeafLeaf;
  }

  void emit(Step step, const Frame& frame) {
    Op op;
    op.node = frame.number;
    op.level = frame.level;
    op.side = frame.side;
    op.step = step;
    program_.ops.push_back(op);
  }

  std::uint32_t slot(std::int32_t feature) {
    if (slot_[feature] < 0) {
      slot_[feature] = static_cast<std::int32_t>(program_.features.size());
      program_.features.push_back(feature);
    }
    return static_cast<std::uint32_t>(slot_[feature]);
  }

  void fill_category_blocks() {
    for (std::size_t begin = 0; begin < categorical_.size(); begin += kWordRows) {
      CategoryBlock block;
      std::map<std::uint32_t, std::vector<std::uint64_t>> masks;
      const auto end = std::min<std::size_t>(begin + kWordRows, categorical_.size());
      for (auto i = begin; i < end; ++i) {
        const auto& node = categorical_[i];
        const auto number = program_.decisions[node.number].column & Decision::kColumnMask;
        const Column& column = columns_[number];
        auto& of_column = masks[number];
        of_column.resize(column.n_codes());
        const std::uint64_t bit = std::uint64_t{1} << (i - begin);
        const auto set = forest_.category_set[node.node];
        std::vector<bool> goes_left(column.n_codes());
        for (auto m = forest_.category_set_offsets[set]; m < forest_.category_set_offsets[set + 1]; ++m) {
          const auto& cuts = column.cuts;
          goes_left[std::lower_bound(cuts.begin(), cuts.end(), forest_.category_set_members[m]) - cuts.begin()] = true;
        }
        goes_left[column.missing_code()] = forest_.default_left[node.node] != 0;
        for (std::int32_t code = 0; code < column.n_codes(); ++code)
          if (goes_left[code] != node.flip) of_column[code] |= bit;
        block.nodes.push_back(node.number);
      }
      for (auto& [column, of_column] : masks) block.columns.push_back({column, std::move(of_column)});
      program_.category_blocks.push_back(std::move(block));
    }
  }

  void shrink() {
    program_.ops.shrink_to_fit();
    program_.decisions.shrink_to_fit();
    program_.constants.shrink_to_fit();
    program_.leaf_values.shrink_to_fit();
    program_.features.shrink_to_fit();
  }

  struct CategoricalNode {
    std::uint32_t number;
    std::int64_t node;
    bool flip;
  };

  const ForestView& forest_;
  const std::vector<Column>& columns_;
  ColumnIndex& index_;
  const std::vector<std::int32_t>& position_;
  std::vector<PathState> path_;
  std::vector<std::int32_t> slot_;
  std::vector<CategoricalNode> categorical_;
  TreeProgram<T> program_;
  std::int64_t root_ = 0;
  std::int32_t distinct_ = 0, max_distinct_ = 0;
};

// Bounds of at most kMaxBundles groups of consecutive trees of about equal work. Depends on the model only: the order of
// summation, and so every bit of the result, is the same for any number of rows or threads.
template <class T>
std::vector<std::int64_t> balanced_bundles(const std::vector<TreeProgram<T>>& trees) {
  std::size_t total = 0;
  for (const auto& tree : trees) total += tree.decisions.size();
  std::vector<std::int64_t> bounds{0};
  std::size_t seen = 0;
  for (std::size_t i = 0; i < trees.size(); ++i) {
    seen += trees[i].decisions.size();
    if (seen * kMaxBundles >= total * bounds.size()) bounds.push_back(static_cast<std::int64_t>(i) + 1);
  }
  return bounds;
}

}  // namespace

template <class T>
ForestProgram<T> compile_forest(const ForestView& forest, int n_threads) {
  ForestProgram<T> program;
  program.n_features = forest.n_features;
  program.n_outputs = forest.n_outputs;
  program.n_leaf_outputs = forest.n_leaf_outputs;
  program.float32_input = forest.float32_input;
  program.missing_value = forest.missing_value;
  program.has_missing_value = forest.has_missing_value;
  ColumnIndex index(forest.n_features);
  program.columns = collect_columns(forest, index);
  for (const auto& column : program.columns) program.wide_codes |= column.cuts.size() > kMaxNarrowCuts;

  std::vector<std::int32_t> position(forest.n_features, -1);
  for (const auto& column : program.columns) position[column.feature] = 0;
  for (std::int32_t feature = 0; feature < forest.n_features; ++feature) {
    if (position[feature] < 0) continue;
    position[feature] = static_cast<std::int32_t>(program.features.size());
    program.features.push_back(feature);
  }

  program.trees.resize(forest.n_trees);
  std::vector<std::unique_ptr<TreeCompiler<T>>> compilers(std::max(n_threads, 1));
  parallel_for(forest.n_trees, n_threads, [&](std::int64_t tree, int worker) {
    auto& compiler = compilers[worker];
    if (!compiler) compiler = std::make_unique<TreeCompiler<T>>(forest, program.columns, index, position);
    program.trees[tree] = compiler->compile(tree);
  });
  std::erase_if(program.trees, [](const TreeProgram<T>& tree) { return tree.ops.empty(); });
  program.bundles = balanced_bundles(program.trees);
  for (const auto& tree : program.trees) {
    program.max_levels = std::max(program.max_levels, tree.n_levels);
    program.max_points = std::max(program.max_points, tree.n_points);
    program.max_slots = std::max(program.max_slots, static_cast<std::int32_t>(tree.features.size()));
    program.max_decisions = std::max(program.max_decisions, tree.decisions.size());
  }
  return program;
}

template ForestProgram<float> compile_forest<float>(const ForestView&, int);
template ForestProgram<double> compile_forest<double>(const ForestView&, int);

}  // namespace fastexplain
