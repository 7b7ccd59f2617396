#include "tree/raw_outputs.h"

#include <algorithm>
#include <utility>

#include "fastexplain/parallel.h"

namespace fastexplain {
namespace {

const double* leaf_values_of(const BackgroundTree& tree, const std::int32_t* codes, std::int32_t n_leaf_outputs) {
  std::int32_t at = 0;
  while (at >= 0) {
    const BackgroundSplit& split = tree.splits[at];
    at = split.child[!split.goes_left(codes, tree.sets.data())];
  }
  return tree.leaf_values.data() + static_cast<std::int64_t>(~at) * n_leaf_outputs;
}

}  // namespace

RawOutputs::RawOutputs(const ForestView& forest, std::shared_ptr<const Encoding> encoding, int n_threads)
    : encoding_(std::move(encoding)), trees_(forest.n_trees), constant_(forest.n_outputs, 0.0) {
  parallel_for(forest.n_trees, n_threads, [&](std::int64_t i, int) {
    trees_[i] = compile_background_tree(forest, *encoding_, {i, {}}, std::vector<double>(forest.n_leaf_outputs, 0.0), 0);
  });
  const std::int32_t n_leaf = forest.n_leaf_outputs;
  for (std::int64_t i = 0; i < forest.n_trees; ++i) {
    if (!trees_[i].splits.empty()) continue;
    const double* values = forest.values + forest.tree_offsets[i] * n_leaf;
    for (std::int32_t k = 0; k < n_leaf; ++k) constant_[trees_[i].output + k] += values[k];
  }
  std::erase_if(trees_, [](const BackgroundTree& tree) { return tree.splits.empty(); });
}

std::size_t RawOutputs::memory() const {
  std::size_t bytes = constant_.capacity() * sizeof(double);
  for (const auto& tree : trees_) bytes += tree.memory();
  return bytes;
}

void RawOutputs::predict(const void* tile, int n_rows, double* outputs) const {
  const std::int32_t n_outputs = encoding_->n_outputs, n_leaf = encoding_->n_leaf_outputs;
  std::vector<std::int32_t> codes(2 * encoding_->columns.size() * n_rows);
  for (int row = 0; row < n_rows; ++row) {
    row_codes(*encoding_, tile, row, codes.data() + 2 * encoding_->columns.size() * row);
    std::copy(constant_.begin(), constant_.end(), outputs + static_cast<std::int64_t>(row) * n_outputs);
  }
  for (const auto& tree : trees_) {
    for (int row = 0; row < n_rows; ++row) {
      const double* values = leaf_values_of(tree, codes.data() + 2 * encoding_->columns.size() * row, n_leaf);
      double* to = outputs + static_cast<std::int64_t>(row) * n_outputs + tree.output;
      for (std::int32_t k = 0; k < n_leaf; ++k) to[k] += values[k];
    }
  }
}

}  // namespace fastexplain
