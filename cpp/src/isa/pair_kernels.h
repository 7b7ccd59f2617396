// Steps over tables of pairs (see tree/pair_tables.h) that are compiled once per instruction set; see kernels.h for what such
// files may include.
#pragma once

#include <cstddef>
#include <cstdint>

#include "octet.h"

namespace fastexplain {

// Rows that are explained together, in lanes while weights of pairs are summed.
inline constexpr int kJointRows = 32;

// Numbers in a list that have the pattern p are bounds[p] .. bounds[p + 1] - 1 of it.
struct PatternBuckets {
  const std::uint16_t* numbers;
  const std::uint16_t* bounds;
};

// One leaf, and all pairs of a row's state and a background row's in its group. Bit i of a pattern: condition i of the leaf's
// path is violated.
struct PairLeafTask {
  int n_conditions;           // at most eight
  const std::uint8_t* lanes;  // by condition, each its own
  double value;
  const double* shares;  // [p][q]: (p - 1)! q! / (p + q)!, zero where p is zero; p, q = 0 .. kOctet
  PatternBuckets rows;
  PatternBuckets others;  // of the background
  std::size_t n_others;
  double* entries;  // in and out, [state of the row][state of the background row][kOctet]
};

// One group, and up to kJointRows rows.
struct PairSumTask {
  const double* weights;       // of pairs, [background row][kJointRows]
  const std::uint32_t* order;  // background rows by their state
  const std::uint32_t* bounds;
  std::size_t n_others;         // states that these rows have
  const double* entries;        // as of PairLeafTask
  const std::uint16_t* states;  // of the rows
  int n_rows;
  double* by_state;  // scratch, [n_others][kJointRows]
  const std::int32_t* features;
  int n_features;  // of the group, in the order of its lanes
  double* totals;  // in and out, [row][stride]
  std::size_t stride;
};

struct PairKernels {
  void (*add_leaf)(const PairLeafTask&);
  void (*add_rows)(const PairSumTask&);
};

}  // namespace fastexplain
