// A tree ensemble as flat node arrays, borrowed from the caller. The routing rule and the meaning of every array are those of
// the Python class fastexplain.models.Forest, which has validated them.
#pragma once

#include <cstdint>

namespace fastexplain {

// LightGBM's kZeroThreshold: where zero_is_missing, values this close to zero are missing.
inline constexpr double kZeroThreshold = 1e-35f;  // a float literal there too: 1.0000000180025095e-35

struct ForestView {
  std::int32_t n_features = 0;
  std::int32_t n_outputs = 0;
  std::int32_t n_leaf_outputs = 0;  // n_outputs, or 1 if each tree serves tree_output[tree] alone
  std::int64_t n_trees = 0;
  const std::int64_t* tree_offsets = nullptr;
  const std::int32_t* children_left = nullptr;
  const std::int32_t* children_right = nullptr;
  const std::int32_t* feature = nullptr;
  const double* threshold = nullptr;
  const std::uint8_t* default_left = nullptr;
  const double* cover = nullptr;
  const double* values = nullptr;
  const std::int32_t* tree_output = nullptr;
  const std::uint8_t* zero_is_missing = nullptr;  // null: nowhere
  const std::int32_t* category_set = nullptr;     // null: no categorical nodes
  const std::int64_t* category_set_offsets = nullptr;
  const std::int32_t* category_set_members = nullptr;
  bool float32_input = false;
  double missing_value = 0.0;
  bool has_missing_value = false;

  bool is_leaf(std::int64_t node) const { return children_left[node] < 0; }
  bool is_categorical(std::int64_t node) const { return category_set != nullptr && category_set[node] >= 0; }
  bool zero_missing(std::int64_t node) const { return zero_is_missing != nullptr && zero_is_missing[node] != 0; }
};

}  // namespace fastexplain
