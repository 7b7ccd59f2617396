// Steps of Tree SHAP that are compiled once per instruction set; see kernels.h for what such files may include.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tree_ops.h"

namespace fastexplain {

// Most quadrature points per pass over a tree; more points take several passes.
inline constexpr int kMaxPassPoints = 8;

struct EncodeColumn {
  std::int32_t feature;
  bool categorical;
  bool zero_is_missing;
  const double* cuts;
  std::int32_t n_cuts;
};

struct EncodeTask {
  // Rows of the tile; the rest of their last word repeats the last of them.
  const char* data;
  std::int64_t row_stride, column_stride;
  int n_rows;
  bool is_float32;
  // The model's rules.
  bool float32_input, has_missing_value, wide_codes;
  double missing_value;
  const EncodeColumn* columns;
  std::int32_t n_columns;
  void* codes;  // [column][kTileRows] of int16 or int32
};

struct CategoryColumn {
  std::uint32_t column;
  const std::uint64_t* masks;
};

struct DecideTask {
  const Decision* decisions;
  std::size_t n_decisions;
  const void* codes;
  bool wide_codes;
  int n_words;            // that hold rows; the others are left alone
  std::uint64_t* first;   // out, [decision][kTileWords]: rows that take the first child
  std::uint64_t* follow;  // out, the same: rows that went this node's way at every earlier split on its feature
};

// One block of up to 64 categorical nodes: fills in their words in DecideTask::first (before the others are decided).
struct CategoryTask {
  const CategoryColumn* columns;
  std::size_t n_columns;
  const std::uint32_t* nodes;
  std::size_t n_nodes;
  const void* codes;
  bool wide_codes;
  int n_words;
  std::uint64_t* first;
};

// How one row goes through a decision: bits of a byte.
inline constexpr std::uint8_t kGoesFirst = 1;  // it takes the first child
inline constexpr std::uint8_t kFollows = 2;    // it went this node's way at every earlier split on its feature

template <class T>
struct PassTask {
  const Op* ops;
  std::size_t n_ops;
  const NodeConstants<T>* constants;
  const T* leaf_values;  // of the output being explained
  const T* at_zero;      // of the output being explained; see TreeProgram
  std::size_t leaf_stride;
  const std::uint64_t* first;
  const std::uint64_t* follow;
  const std::uint8_t* goes;  // of the row, [decision]: in place of the two above where a row is explained by itself
  int n_rows;
  int n_points;   // 1 .. kMaxPassPoints
  T zero_weight;  // of the point t = 0
  T points[kMaxPassPoints];
  T weights[kMaxPassPoints];
  // Scratch, 64-byte aligned: three values per level, row and point, or of a row by itself kRowLevelValues per level.
  T* stack;
  char* choices;  // kChoiceBytes per level
  T* phi;         // in and out, [slot][kTileRows]; of a single row, [slot]
};

// What a level keeps of its node from entering it to combining its children, at most: 28 vectors of 32 bytes.
inline constexpr int kChoiceBytes = 896;
// What a level of the stack takes at most where a row is explained by itself.
inline constexpr int kRowLevelValues = 8 * kMaxPassPoints;

// Attributions of a tree, [slot][kTileRows], to be added to sums of the forest's features, [feature][row].
template <class T>
struct TreeSumTask {
  const T* phi;
  const std::int32_t* features;  // by slot
  std::size_t n_slots;
  std::size_t n_rows;  // whole words of them
  double* sums;
};

struct TreeKernels {
  void (*encode)(const EncodeTask&);
  void (*categories)(const CategoryTask&);
  void (*decide)(const DecideTask&);
  void (*pass_f32)(const PassTask<float>&);
  void (*pass_f64)(const PassTask<double>&);
  void (*decide_row)(const DecideTask&, int row, std::uint8_t* goes);
  void (*row_f32)(const PassTask<float>&);
  void (*row_f64)(const PassTask<double>&);
  void (*add_f32)(const TreeSumTask<float>&);
  void (*add_f64)(const TreeSumTask<double>&);
  void (*add_sums)(const double* from, std::size_t n, double* to);
};

}  // namespace fastexplain
