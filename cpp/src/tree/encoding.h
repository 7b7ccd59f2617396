// How rows become codes: small integers that a forest's decisions compare.
//
// A numerical column's code is the number of that column's thresholds (over the whole forest) that are below the value, so
// that `x <= threshold_k` is exactly `code <= k`, whatever the width of the lanes. A categorical column's code numbers the
// categories that any of its sets names, then "any other", then "missing".
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastexplain/tree/forest.h"
#include "fastexplain/tree/views.h"
#include "isa/tree_kernels.h"

namespace fastexplain {

// A model feature under one missing rule (a forest may split one feature under two of them).
struct Column {
  std::int32_t feature;
  bool categorical;
  bool zero_is_missing;
  // Numerical: thresholds in rising order. Categorical: the categories, in rising order.
  std::vector<double> cuts;

  // Codes of a categorical column: 0 .. cuts.size() - 1, then these two.
  std::int32_t other_code() const { return static_cast<std::int32_t>(cuts.size()); }
  std::int32_t missing_code() const { return static_cast<std::int32_t>(cuts.size()) + 1; }
  std::int32_t n_codes() const { return static_cast<std::int32_t>(cuts.size()) + 2; }
};

// A column of no more cuts than this has codes that fit a byte, whose largest value is the missing code.
inline constexpr std::size_t kMaxByteCuts = 254;

// Column numbers by (feature, categorical, zero_is_missing), as a dense table; -1 where the forest has no such column.
class ColumnIndex {
 public:
  explicit ColumnIndex(std::int32_t n_features) : index_(static_cast<std::size_t>(n_features) * 4, -1) {}
  std::int32_t& at(std::int32_t feature, bool categorical, bool zero_is_missing) {
    return index_[position(feature, categorical, zero_is_missing)];
  }
  std::int32_t at(std::int32_t feature, bool categorical, bool zero_is_missing) const {
    return index_[position(feature, categorical, zero_is_missing)];
  }

 private:
  static std::size_t position(std::int32_t feature, bool categorical, bool zero_is_missing) {
    return static_cast<std::size_t>(feature) * 4 + (categorical ? 2 : 0) + (zero_is_missing ? 1 : 0);
  }
  std::vector<std::int32_t> index_;
};

// Everything about a forest but its trees. Not copied: it holds views of its own columns.
class Encoding {
 public:
  explicit Encoding(const ForestView& forest);
  Encoding(const Encoding&) = delete;
  Encoding& operator=(const Encoding&) = delete;

  // Codes of the tile of rows that begins at row `first`: [column][kTileRows] of int32 with wide_codes, else of int16.
  void encode(const RowsView& rows, std::int64_t first, void* codes) const;
  // Whether the codes of a column are few enough for a byte.
  bool has_byte_codes(std::size_t column) const { return columns[column].cuts.size() <= kMaxByteCuts; }
  // Bytes of a tile's codes.
  std::size_t tile_bytes() const { return columns.size() * kTileRows * (wide_codes ? 4 : 2); }
  std::size_t memory() const;

  std::int32_t n_features = 0;
  std::int32_t n_outputs = 0;
  std::int32_t n_leaf_outputs = 0;
  bool float32_input = false;
  bool has_missing_value = false;
  bool wide_codes = false;
  double missing_value = 0.0;
  ColumnIndex index;
  std::vector<Column> columns;
  std::vector<std::int32_t> features;  // that the forest splits on, rising
  std::vector<std::int32_t> position;  // of each feature among those; -1 if it is none of them

 private:
  std::vector<EncodeColumn> views_;
};

}  // namespace fastexplain
