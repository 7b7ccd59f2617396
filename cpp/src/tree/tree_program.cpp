#include "tree/tree_program.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "fastexplain/parallel.h"

namespace fastexplain {
namespace {

// Groups of trees that are summed apart, so that one block of rows can be shared by several threads.
constexpr std::int64_t kMaxBundles = 16;

// Compiles one tree, depth first with an explicit stack: a degenerate tree may be thousands of levels deep.
template <class T>
class TreeCompiler {
 public:
  TreeCompiler(const ForestView& forest, const Encoding& encoding)
      : forest_(forest), encoding_(encoding), path_(forest.n_features), slot_(forest.n_features, -1) {}

  TreeProgram<T> compile(const TreePart& part) {
    program_ = {};
    root_ = forest_.tree_offsets[part.tree];
    program_.output = forest_.n_leaf_outputs == 1 ? forest_.tree_output[part.tree] : 0;
    cut_off_.assign(part.cut_off.empty() ? 0 : forest_.tree_offsets[part.tree + 1] - root_, false);
    for (const auto node : part.cut_off) cut_off_[node - root_] = true;
    if (!is_leaf(root_)) {
      expectation_ = expectation(forest_, part.tree);
      fill_means(forest_.tree_offsets[part.tree + 1] - root_);
      program_.has_zero_point = true;
      walk();
      if (!program_.has_zero_point) std::fill(program_.at_zero.begin(), program_.at_zero.end(), T{0});
      program_.n_points = std::max(1, program_.has_zero_point ? max_distinct_ / 2 : (max_distinct_ + 1) / 2);
      fill_category_blocks();
    }
    for (auto& feature : program_.features) {
      slot_[feature] = -1;
      feature = encoding_.position[feature];
    }
    categorical_.clear();
    distinct_ = max_distinct_ = 0;
    shrink();
    return std::move(program_);
  }

 private:
  enum Kind { kLeaf, kTwig, kSubtree };

  static constexpr std::int64_t kNone = -1;
  // Shares below this one do not serve as divisors.
  static constexpr double kLeastShare = 1e-100;

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
    double reach;            // path product at t = 0
    std::int64_t origin;     // leaf whose value is zero for the leaves below, or kNone
    PathState before;        // of the node's feature, to be put back
    std::uint32_t repeated;  // as in Op
    int stage = 0;
  };

  std::int64_t left(std::int64_t node) const { return root_ + forest_.children_left[node]; }
  std::int64_t right(std::int64_t node) const { return root_ + forest_.children_right[node]; }

  bool is_cut_off(std::int64_t node) const { return !cut_off_.empty() && cut_off_[node - root_]; }
  bool is_leaf(std::int64_t node) const { return forest_.is_leaf(node) || is_cut_off(node); }
  double leaf_value(std::int64_t node, int output) const {
    if (node == kNone || is_cut_off(node)) return 0;
    return forest_.values[node * forest_.n_leaf_outputs + output] - expectation_[output];
  }

  Kind kind(std::int64_t node) const {
    if (is_leaf(node)) return kLeaf;
    return is_leaf(left(node)) && is_leaf(right(node)) ? kTwig : kSubtree;
  }

  // Mean values of all nodes of the tree over the training rows, less that of the root: values at t = 0.
  void fill_means(std::int64_t n_nodes) {
    const int n_leaf = forest_.n_leaf_outputs;
    means_.assign(static_cast<std::size_t>(n_nodes) * n_leaf, 0.0);
    std::vector<std::int64_t> order{root_};
    for (std::size_t i = 0; i < order.size(); ++i)
      if (!is_leaf(order[i])) order.insert(order.end(), {left(order[i]), right(order[i])});
    for (auto i = order.size(); i-- > 0;) {
      const std::int64_t node = order[i];
      const bool leaf = is_leaf(node);
      const double of_left = leaf ? 0 : first_share(forest_.cover[left(node)], forest_.cover[right(node)]);
      for (int k = 0; k < n_leaf; ++k)
        mean(node, k) = leaf ? leaf_value(node, k) : of_left * mean(left(node), k) + (1 - of_left) * mean(right(node), k);
    }
  }
  double& mean(std::int64_t node, int output) { return means_[(node - root_) * forest_.n_leaf_outputs + output]; }

  void walk() {
    std::vector<Frame> stack;
    stack.push_back(open(root_, 1, 0, 1.0, kNone));
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
            stack.push_back(open(frame.first, frame.level + 1, 0, reach(frame, 0), origin_below(frame)));
          }
          break;
        case 1:
          if (frame.second_kind == kSubtree) {
            take(feature, frame, 1);
            emit(Step::kEnterSecond, frame);
            stack.push_back(open(frame.second, frame.level + 1, 1, reach(frame, 1), origin_below(frame)));
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
  Frame open(std::int64_t node, std::uint32_t level, std::uint32_t side, double reach, std::int64_t origin) {
    Frame frame;
    frame.reach = reach;
    frame.origin = origin;
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
    frame.share = first_share(forest_.cover[frame.first], forest_.cover[frame.second]);
    const std::int32_t feature = forest_.feature[node];
    frame.before = path_[feature];
    frame.repeated = frame.before.ancestor >= 0 ? 1 : 0;
    frame.number = static_cast<std::uint32_t>(program_.decisions.size());
    add_decision(node, flip, frame.before);
    program_.constants.push_back({static_cast<T>(frame.share), static_cast<T>(frame.before.accumulated), slot(feature),
                                  frame.before.ancestor >= 0 ? 1u : 0u});
    const int n_leaf = forest_.n_leaf_outputs;
    for (const auto child : {frame.first, frame.second})
      for (int k = 0; k < n_leaf; ++k)
        program_.leaf_values.push_back(is_leaf(child) ? static_cast<T>(leaf_value(child, k) - leaf_value(origin, k)) : T{0});
    add_at_zero(frame, level == 0);
    if (frame.before.ancestor < 0) ++distinct_;
    max_distinct_ = std::max(max_distinct_, distinct_);
    program_.n_levels = std::max(program_.n_levels, static_cast<std::int32_t>(level));
    return frame;
  }

  void add_decision(std::int64_t node, bool flip, const PathState& before) {
    const bool categorical = forest_.is_categorical(node);
    const auto number = encoding_.index.at(forest_.feature[node], categorical, forest_.zero_missing(node));
    Decision decision{0, static_cast<std::uint32_t>(number), before.ancestor};
    if (categorical) {
      decision.column |= Decision::kCategorical;
      categorical_.push_back({static_cast<std::uint32_t>(program_.decisions.size()), node, flip});
    } else {
      const auto& cuts = encoding_.columns[number].cuts;
      const auto cut = std::lower_bound(cuts.begin(), cuts.end(), forest_.threshold[node]) - cuts.begin();
      const bool wraps = forest_.default_left[node] != 0;
      decision.bound = static_cast<std::int32_t>(cut) + (wraps ? 1 : 0);
      decision.column |= (wraps ? Decision::kMissingWraps : 0) | (flip ? Decision::kFlip : 0);
    }
    program_.decisions.push_back(decision);
  }

  // The term of a node's sum for t = 0. As a twig it has no difference of values in the sum.
  void add_at_zero(const Frame& frame, bool as_twig) {
    if (!(frame.share >= kLeastShare) || !(1 - frame.share >= kLeastShare) || !(frame.before.accumulated >= kLeastShare))
      program_.has_zero_point = false;
    const double others = frame.reach / frame.before.accumulated;
    for (int k = 0; k < forest_.n_leaf_outputs; ++k)
      program_.at_zero.push_back(static_cast<T>(as_twig ? others : others * (mean(frame.first, k) - mean(frame.second, k))));
  }

  // A twig needs a number and constants, but no step of its own.
  void twig(Frame& parent, int side) {
    const std::int32_t feature = forest_.feature[parent.node];
    take(feature, parent, side);
    const Frame frame = open(side == 0 ? parent.first : parent.second, 0, 0, reach(parent, side), origin_below(parent));
    if (frame.before.ancestor >= 0) parent.repeated |= 2u << side;
    close(frame);
    path_[feature] = parent.before;
  }

  // Beside a leaf, values are taken in relation to that leaf: no step has to subtract it.
  static std::int64_t origin_below(const Frame& frame) {
    return frame.first_kind != kLeaf && frame.second_kind == kLeaf ? frame.second : frame.origin;
  }

  static double reach(const Frame& frame, int side) { return frame.reach * (side == 0 ? frame.share : 1 - frame.share); }

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
    op.repeated = frame.repeated;
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
        const Column& column = encoding_.columns[number];
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
    program_.at_zero.shrink_to_fit();
    program_.features.shrink_to_fit();
  }

  struct CategoricalNode {
    std::uint32_t number;
    std::int64_t node;
    bool flip;
  };

  const ForestView& forest_;
  const Encoding& encoding_;
  std::vector<double> expectation_;
  std::vector<double> means_;  // [node][leaf output]
  std::vector<bool> cut_off_;  // by node; empty: none
  std::vector<PathState> path_;
  std::vector<std::int32_t> slot_;
  std::vector<CategoricalNode> categorical_;
  TreeProgram<T> program_;
  std::int64_t root_ = 0;
  std::int32_t distinct_ = 0, max_distinct_ = 0;
};

}  // namespace

std::vector<double> expectation(const ForestView& forest, std::int64_t tree) {
  const std::int64_t root = forest.tree_offsets[tree];
  std::vector<double> mean(forest.n_leaf_outputs, 0.0);
  std::vector<double> least(mean.size(), std::numeric_limits<double>::infinity()),
      largest(mean.size(), -std::numeric_limits<double>::infinity());
  std::vector<std::pair<std::int64_t, double>> stack{{root, 1.0}};  // nodes to visit, and their share of the training rows
  while (!stack.empty()) {
    const auto [node, share] = stack.back();
    stack.pop_back();
    if (forest.is_leaf(node)) {
      for (std::int32_t k = 0; k < forest.n_leaf_outputs; ++k) {
        const double value = forest.values[node * forest.n_leaf_outputs + k];
        mean[k] += share * value;
        least[k] = std::min(least[k], value);
        largest[k] = std::max(largest[k], value);
      }
      continue;
    }
    const std::int64_t left = root + forest.children_left[node], right = root + forest.children_right[node];
    const double of_left = first_share(forest.cover[left], forest.cover[right]);
    stack.push_back({right, share * (1 - of_left)});
    stack.push_back({left, share * of_left});
  }
  for (std::int32_t k = 0; k < forest.n_leaf_outputs; ++k)
    if (!std::isfinite(largest[k] - mean[k]) || !std::isfinite(mean[k] - least[k])) mean[k] = 0;
  return mean;
}

std::vector<std::int64_t> balanced_bundles(const std::vector<std::size_t>& work) {
  std::size_t total = 0;
  for (const auto of_tree : work) total += of_tree;
  std::vector<std::int64_t> bounds{0};
  std::size_t seen = 0;
  for (std::size_t i = 0; i < work.size(); ++i) {
    seen += work[i];
    if (seen * kMaxBundles >= total * bounds.size()) bounds.push_back(static_cast<std::int64_t>(i) + 1);
  }
  return bounds;
}

template <class T>
ForestProgram<T> compile_trees(const ForestView& forest, std::shared_ptr<const Encoding> encoding,
                               const std::vector<TreePart>& parts, int n_threads) {
  ForestProgram<T> program;
  program.trees.resize(parts.size());
  std::vector<std::unique_ptr<TreeCompiler<T>>> compilers(std::max(n_threads, 1));
  parallel_for(static_cast<std::int64_t>(parts.size()), n_threads, [&](std::int64_t i, int worker) {
    auto& compiler = compilers[worker];
    if (!compiler) compiler = std::make_unique<TreeCompiler<T>>(forest, *encoding);
    program.trees[i] = compiler->compile(parts[i]);
  });
  std::erase_if(program.trees, [](const TreeProgram<T>& tree) { return tree.ops.empty(); });
  std::vector<std::size_t> work;
  for (const auto& tree : program.trees) {
    work.push_back(tree.decisions.size());
    program.max_levels = std::max(program.max_levels, tree.n_levels);
    program.max_points = std::max(program.max_points, tree.n_points);
    program.max_slots = std::max(program.max_slots, static_cast<std::int32_t>(tree.features.size()));
    program.max_decisions = std::max(program.max_decisions, tree.decisions.size());
  }
  program.bundles = balanced_bundles(work);
  program.encoding = std::move(encoding);
  return program;
}

template <class T>
ForestProgram<T> compile_forest(const ForestView& forest, int n_threads) {
  return compile_trees<T>(forest, std::make_shared<const Encoding>(forest), whole_trees(forest), n_threads);
}

template ForestProgram<float> compile_forest<float>(const ForestView&, int);
template ForestProgram<double> compile_forest<double>(const ForestView&, int);
template ForestProgram<float> compile_trees<float>(const ForestView&, std::shared_ptr<const Encoding>,
                                                   const std::vector<TreePart>&, int);
template ForestProgram<double> compile_trees<double>(const ForestView&, std::shared_ptr<const Encoding>,
                                                     const std::vector<TreePart>&, int);

}  // namespace fastexplain
