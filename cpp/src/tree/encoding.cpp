#include "tree/encoding.h"

#include <algorithm>

#include "isa/kernels.h"

namespace fastexplain {
namespace {

// int16 codes leave room for the missing code (32767) and for adding 1 to the largest ordinary one.
constexpr std::size_t kMaxNarrowCuts = 32000;
constexpr std::size_t kFirstLimit = 65536;

void sort_unique(std::vector<double>& cuts) {
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
}

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

}  // namespace

Encoding::Encoding(const ForestView& forest)
    : n_features(forest.n_features),
      n_outputs(forest.n_outputs),
      n_leaf_outputs(forest.n_leaf_outputs),
      float32_input(forest.float32_input),
      has_missing_value(forest.has_missing_value),
      missing_value(forest.missing_value),
      index(forest.n_features),
      columns(collect_columns(forest, index)),
      position(forest.n_features, -1) {
  for (const auto& column : columns) {
    wide_codes |= column.cuts.size() > kMaxNarrowCuts;
    position[column.feature] = 0;
    views_.push_back({column.feature, column.categorical, column.zero_is_missing, column.cuts.data(),
                      static_cast<std::int32_t>(column.cuts.size())});
  }
  for (std::int32_t feature = 0; feature < n_features; ++feature) {
    if (position[feature] < 0) continue;
    position[feature] = static_cast<std::int32_t>(features.size());
    features.push_back(feature);
  }
}

void Encoding::encode(const RowsView& rows, std::int64_t first, void* codes) const {
  EncodeTask task{};
  task.data = rows.data + first * rows.row_stride;
  task.row_stride = rows.row_stride;
  task.column_stride = rows.column_stride;
  task.n_rows = static_cast<int>(std::min<std::int64_t>(kTileRows, rows.n_rows - first));
  task.is_float32 = rows.is_float32;
  task.float32_input = float32_input;
  task.has_missing_value = has_missing_value;
  task.missing_value = missing_value;
  task.wide_codes = wide_codes;
  task.columns = views_.data();
  task.n_columns = static_cast<std::int32_t>(views_.size());
  task.codes = codes;
  active_kernels().tree.encode(task);
}

std::size_t Encoding::memory() const {
  std::size_t bytes = 0;
  for (const auto& column : columns) bytes += column.cuts.capacity() * sizeof(double);
  return bytes;
}

}  // namespace fastexplain
