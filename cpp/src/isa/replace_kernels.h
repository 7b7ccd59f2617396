// What trees predict when columns of the rows were replaced, 64 rows at a time; compiled once per instruction set, see
// kernels.h for what such files may include.
//
// A player is a set of columns that are replaced together. A job replaces one player's columns once: each row takes them from
// another row, its donor.
#pragma once

#include <cstdint>

namespace fastexplain {

// A tree with more leaves is walked row by row.
inline constexpr int kMaxWordLeaves = 256;

struct WordSplit {
  std::int32_t column;      // of the codes
  std::int16_t add, bound;  // to the left where code + add, wrapping around, is at most bound
  std::int32_t child[2];    // right and left: a leaf's number, or kMaxWordLeaves + a split's (parents come first)
  std::int32_t group;       // of the tree's splits on features of one player; -1: not replaced
  std::int32_t member;      // number within the group
};

struct WordMember {
  std::int32_t split;
  std::int32_t value_at;  // replaced codes of its feature: those of the player's jobs follow each other
};

struct WordGroup {
  std::int32_t first_member, n_members;
  std::int32_t first_job, n_jobs;
  bool repeated;                             // two of the splits lie on one path
  std::uint64_t holds[kMaxWordLeaves / 64];  // splits with a member at or below them
};

struct WordTree {
  std::int32_t first_split, n_splits, first_group, n_groups, first_leaf, output;
};

struct ReplaceTask {
  const WordTree* trees;
  std::int64_t n_trees;
  const WordSplit* splits;
  const WordGroup* groups;
  const WordMember* members;
  const double* leaf_values;  // [leaf][n_leaf_outputs]
  std::int32_t n_outputs, n_leaf_outputs;
  const std::int16_t *own, *replaced;  // codes of the 64 rows: of each column, and of each value; 64-byte aligned
  std::int64_t stride;                 // between columns, and between values
  std::uint64_t live;                  // rows that there are
  // Scratch: per split, the rows that go left and those that come by.
  std::uint64_t *left, *reach;
  std::uint64_t* words;   // [member][job]
  std::int16_t* leaf_of;  // 64-byte aligned, [leaf or kMaxWordLeaves + split][64]: where rows end that start there
  double* difference;     // in and out, [job][output][64]
};

struct ReplaceKernels {
  void (*replace)(const ReplaceTask&);
};

}  // namespace fastexplain
