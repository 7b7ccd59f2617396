#include "tree/background_tree.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

namespace fastexplain {
namespace {

constexpr std::int32_t kNoChild = BackgroundSplit::kNoChild;

// Depth first with an explicit stack: a degenerate tree may be thousands of levels deep.
class Compiler {
 public:
  Compiler(const ForestView& forest, const Encoding& encoding, const TreePart& part, const std::vector<double>& less,
           std::int32_t most_own_places)
      : forest_(forest),
        encoding_(encoding),
        root_(forest.tree_offsets[part.tree]),
        less_(less),
        most_own_places_(most_own_places),
        place_(encoding.features.size(), -1),
        own_place_(encoding.features.size(), -1) {
    if (static_cast<std::int64_t>(encoding.features.size()) <= most_own_places) {  // the same places in all trees
      std::iota(own_place_.begin(), own_place_.end(), 0);
      tree_.features = own_place_;
    }
    tree_.output = forest.n_leaf_outputs == 1 ? forest.tree_output[part.tree] : 0;
    cut_off_.assign(part.cut_off.empty() ? 0 : forest.tree_offsets[part.tree + 1] - root_, false);
    for (const auto node : part.cut_off) cut_off_[node - root_] = true;
  }

  BackgroundTree compile() {
    if (!forest_.is_leaf(root_) && !is_cut_off(root_)) walk();
    const bool own_places = static_cast<std::int64_t>(tree_.features.size()) <= most_own_places_;
    if (own_places)
      give_own_places();
    else
      tree_.features.clear();
    const auto n_places = own_places ? static_cast<std::int32_t>(tree_.features.size()) : tree_.n_distinct;
    const std::int32_t n_octets = (n_places + kPlaceOctet - 1) / kPlaceOctet;
    tree_.n_places = kPlaceOctet * (own_places ? static_cast<std::int32_t>(std::bit_ceil<std::uint32_t>(n_octets)) : n_octets);
    tree_.splits.shrink_to_fit();
    tree_.sets.shrink_to_fit();
    tree_.leaf_values.shrink_to_fit();
    tree_.leaf_places.shrink_to_fit();
    return std::move(tree_);
  }

 private:
  struct Frame {
    std::int64_t node;
    std::int32_t split;
    int side = 0;  // child to compile next
  };

  void walk() {
    std::vector<Frame> stack{open(root_)};
    std::int32_t done = kNoChild;  // what the subtree compiled last became
    while (!stack.empty()) {
      Frame& frame = stack.back();
      if (frame.side > 0) tree_.splits[frame.split].child[frame.side - 1] = done;
      if (frame.side == 2) {
        done = close(frame);
        stack.pop_back();
        continue;
      }
      const auto& children = frame.side++ == 0 ? forest_.children_left : forest_.children_right;
      const std::int64_t child = root_ + children[frame.node];
      if (is_cut_off(child)) {
        done = kNoChild;
      } else if (forest_.is_leaf(child)) {
        done = add_leaf(child);
      } else {
        stack.push_back(open(child));
        tree_.n_levels = std::max(tree_.n_levels, static_cast<std::int32_t>(stack.size()));
        continue;
      }
      tree_.splits[frame.split].child[frame.side - 1] = done;
    }
  }

  Frame open(std::int64_t node) {
    BackgroundSplit split{};
    const std::int32_t feature = encoding_.position[forest_.feature[node]];
    const bool first = place_[feature] < 0;
    if (first) place_[feature] = n_distinct_++;
    tree_.n_distinct = std::max(tree_.n_distinct, n_distinct_);
    split.place = place_[feature];
    split.feature = first ? feature : -1;
    decide(node, split);
    tree_.splits.push_back(split);
    if (own_place_[feature] < 0) {
      own_place_[feature] = static_cast<std::int32_t>(tree_.features.size());
      tree_.features.push_back(feature);
    }
    own_places_.push_back(own_place_[feature]);
    tree_.n_levels = std::max(tree_.n_levels, 1);
    return {node, static_cast<std::int32_t>(tree_.splits.size()) - 1};
  }

  // The split's number, or kNoChild where nothing has a value below.
  std::int32_t close(const Frame& frame) {
    const BackgroundSplit& split = tree_.splits[frame.split];
    if (split.feature >= 0) {
      place_[split.feature] = -1;
      --n_distinct_;
    }
    if (split.child[0] != kNoChild || split.child[1] != kNoChild) return frame.split;
    tree_.splits.pop_back();  // the last: all below it have gone before
    own_places_.pop_back();
    return kNoChild;
  }

  void give_own_places() {
    for (std::size_t i = 0; i < tree_.splits.size(); ++i) {
      tree_.splits[i].place = own_places_[i];
      tree_.splits[i].feature = -1;
    }
    tree_.leaf_places.clear();
  }

  void decide(std::int64_t node, BackgroundSplit& split) {
    const bool categorical = forest_.is_categorical(node), default_left = forest_.default_left[node] != 0;
    const auto number = encoding_.index.at(forest_.feature[node], categorical, forest_.zero_missing(node));
    const Column& column = encoding_.columns[number];
    split.code = 2 * static_cast<std::uint32_t>(number);
    if (categorical) {
      split.code |= BackgroundSplit::kCategorical;
      split.bound = add_set(node, column, default_left);
      return;
    }
    const auto cut = std::lower_bound(column.cuts.begin(), column.cuts.end(), forest_.threshold[node]) - column.cuts.begin();
    split.code |= default_left ? 1 : 0;
    split.bound = static_cast<std::int32_t>(cut) + (default_left ? 1 : 0);
  }

  std::int32_t add_set(std::int64_t node, const Column& column, bool default_left) {
    const auto begin = static_cast<std::int32_t>(tree_.sets.size());
    tree_.sets.resize(tree_.sets.size() + (column.n_codes() + 63) / 64, 0);
    const auto add = [&](std::int32_t code) { tree_.sets[begin + code / 64] |= std::uint64_t{1} << (code % 64); };
    const auto set = forest_.category_set[node];
    for (auto m = forest_.category_set_offsets[set]; m < forest_.category_set_offsets[set + 1]; ++m) {
      const auto found = std::lower_bound(column.cuts.begin(), column.cuts.end(), forest_.category_set_members[m]);
      add(static_cast<std::int32_t>(found - column.cuts.begin()));
    }
    if (default_left) add(column.missing_code());
    return begin;
  }

  std::int32_t add_leaf(std::int64_t node) {
    const auto number = static_cast<std::int32_t>(tree_.leaf_places.size());
    for (std::int32_t k = 0; k < forest_.n_leaf_outputs; ++k)
      tree_.leaf_values.push_back(forest_.values[node * forest_.n_leaf_outputs + k] - less_[k]);
    tree_.leaf_places.push_back(n_distinct_);
    return ~number;
  }

  bool is_cut_off(std::int64_t node) const { return !cut_off_.empty() && cut_off_[node - root_]; }

  const ForestView& forest_;
  const Encoding& encoding_;
  const std::int64_t root_;
  const std::vector<double>& less_;
  const std::int32_t most_own_places_;
  // Of each feature the forest splits on: position on the path, or -1 where it is not on it; and number in the tree.
  std::vector<std::int32_t> place_, own_place_;
  std::vector<std::int32_t> own_places_;  // of each split's feature
  std::vector<bool> cut_off_;             // by node; empty: none
  std::int32_t n_distinct_ = 0;
  BackgroundTree tree_;
};

template <class Code>
void row_codes_of(const Encoding& encoding, const Code* tile, std::int64_t row, std::int32_t* codes) {
  for (std::size_t c = 0; c < encoding.columns.size(); ++c) {
    const Code code = tile[c * kTileRows + row];
    codes[2 * c] = code;
    // The missing code, which is the largest, wraps to the least.
    codes[2 * c + 1] = static_cast<Code>(static_cast<std::make_unsigned_t<Code>>(code) + 1u);
  }
}

}  // namespace

std::size_t BackgroundTree::memory() const {
  return splits.capacity() * sizeof(BackgroundSplit) + sets.capacity() * sizeof(std::uint64_t) +
         leaf_values.capacity() * sizeof(double) + (leaf_places.capacity() + features.capacity()) * sizeof(std::int32_t);
}

BackgroundTree compile_background_tree(const ForestView& forest, const Encoding& encoding, const TreePart& part,
                                       const std::vector<double>& less, std::int32_t most_own_places) {
  return Compiler(forest, encoding, part, less, most_own_places).compile();
}

void row_codes(const Encoding& encoding, const void* tile, std::int64_t row, std::int32_t* codes) {
  if (encoding.wide_codes)
    row_codes_of(encoding, static_cast<const std::int32_t*>(tile), row, codes);
  else
    row_codes_of(encoding, static_cast<const std::int16_t*>(tile), row, codes);
}

}  // namespace fastexplain
