#include "fastexplain/tree/forest_check.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <vector>

namespace fastexplain {
namespace {

// Most counts fit into int32: kernels count in it.
constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max() - 1;

template <class... Parts>
void require(bool condition, const Parts&... parts) {
  if (condition) return;
  std::ostringstream text;
  text << "Forest";
  (text << ... << parts);
  throw std::invalid_argument(text.str());
}

// Every entry lies in low .. high. Whether one does not is found without branches, a block at a time; which, only if so.
template <class T>
void require_within(const char* name, const T* entries, std::int64_t n, std::int64_t low, std::int64_t high) {
  constexpr std::int64_t kBlock = 4096;
  using Limits = std::numeric_limits<T>;
  const auto lowest = static_cast<T>(std::max<std::int64_t>(low, Limits::min()));
  const auto highest = static_cast<T>(std::clamp<std::int64_t>(high, Limits::min(), Limits::max()));
  const bool none = high < low;
  const auto bad = [=](T entry) { return none | (entry < lowest) | (entry > highest); };
  for (std::int64_t begin = 0; begin < n; begin += kBlock) {
    const std::int64_t end = std::min(n, begin + kBlock);
    T found = 0;
    for (std::int64_t i = begin; i < end; ++i) found |= static_cast<T>(bad(entries[i]));
    if (found == 0) continue;
    const std::int64_t at = std::find_if(entries + begin, entries + end, bad) - entries;
    require(false, ".", name, "[", at, "] is ", entries[at], "; expected ", low, " .. ", high);
  }
}

void check_counts(const ForestView& forest, const ForestLengths& lengths) {
  const auto within = [](const char* name, std::int64_t count, std::int64_t least, std::int64_t most) {
    require(count >= least && count <= most, ".", name, " must be in ", least, " .. ", most, "; got ", count);
  };
  within("n_features", forest.n_features, 0, kMostFeatures);
  within("n_outputs", forest.n_outputs, 1, kMost);
  within("n_trees", forest.n_trees, 0, kMost);
  within("n_nodes", lengths.n_nodes, 0, kMost);
  require(forest.n_leaf_outputs == 1 || forest.n_leaf_outputs == forest.n_outputs, ".n_leaf_outputs must be 1 or ",
          forest.n_outputs, ", the outputs; got ", forest.n_leaf_outputs);
}

void check_offsets(const ForestView& forest, const ForestLengths& lengths) {
  const std::int64_t* offsets = forest.tree_offsets;
  require_within("tree_offsets", offsets, forest.n_trees + 1, 0, lengths.n_nodes);
  require(offsets[0] == 0, ".tree_offsets must begin with 0; got ", offsets[0]);
  require(offsets[forest.n_trees] == lengths.n_nodes, ".tree_offsets must end with the number of nodes, ", lengths.n_nodes,
          "; got ", offsets[forest.n_trees]);
  for (std::int64_t tree = 0; tree < forest.n_trees; ++tree)
    require(offsets[tree] < offsets[tree + 1], ": tree ", tree, " has no node");
}

void check_categories(const ForestView& forest, const ForestLengths& lengths) {
  require(lengths.n_sets >= 0, ".category_set_offsets must not be empty");
  const std::int64_t* offsets = forest.category_set_offsets;
  require_within("category_set_offsets", offsets, lengths.n_sets + 1, 0, lengths.n_members);
  require_within("category_set_members", forest.category_set_members, lengths.n_members, 0,
                 std::numeric_limits<std::int32_t>::max());
  require_within("category_set", forest.category_set, lengths.n_nodes, -1, lengths.n_sets - 1);
  for (std::int64_t set = 0; set < lengths.n_sets; ++set)
    require(offsets[set] <= offsets[set + 1], ".category_set_offsets[", set + 1, "] is ", offsets[set + 1],
            ", less than the one before");
}

void check_split(const ForestView& forest, std::int64_t tree, std::int64_t node) {
  const std::int64_t within = node - forest.tree_offsets[tree];
  require(forest.feature[node] >= 0 && forest.feature[node] < forest.n_features, ": node ", within, " of tree ", tree,
          " splits on feature ", forest.feature[node], "; expected 0 .. ", forest.n_features - 1);
  // Thresholds are sorted, which NaN would lead astray.
  require(forest.is_categorical(node) || !std::isnan(forest.threshold[node]), ": node ", within, " of tree ", tree,
          " has the threshold NaN");
}

// No node has two parents, and no root has one: what is walked from a root is a tree, and ends.
void check_links(const ForestView& forest, const ForestLengths& lengths) {
  std::vector<bool> has_parent(static_cast<std::size_t>(lengths.n_nodes), false);
  for (std::int64_t tree = 0; tree < forest.n_trees; ++tree) {
    const std::int64_t begin = forest.tree_offsets[tree], end = forest.tree_offsets[tree + 1];
    for (std::int64_t node = begin; node < end; ++node) {
      const std::int32_t left = forest.children_left[node], right = forest.children_right[node];
      if (left < 0 && right < 0) continue;
      for (const std::int32_t child : {left, right}) {
        require(child >= 1 && child < end - begin, ": node ", node - begin, " of tree ", tree, " has child ", child,
                "; expected 1 .. ", end - begin - 1);
        require(!has_parent[static_cast<std::size_t>(begin + child)], ": node ", child, " of tree ", tree, " has two parents");
        has_parent[static_cast<std::size_t>(begin + child)] = true;
      }
      check_split(forest, tree, node);
    }
  }
}

}  // namespace

void check_forest(const ForestView& forest, const ForestLengths& lengths) {
  check_counts(forest, lengths);
  check_offsets(forest, lengths);
  require_within("tree_output", forest.tree_output, forest.n_trees, 0, forest.n_outputs - 1);
  if (forest.category_set != nullptr) check_categories(forest, lengths);
  check_links(forest, lengths);
}

}  // namespace fastexplain
