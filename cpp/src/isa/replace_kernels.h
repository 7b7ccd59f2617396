// What trees predict when columns of the rows were replaced, 64 rows at a time; compiled once per instruction set, see
// kernels.h for what such files may include.
//
// A player is a set of columns that are replaced together. A job replaces one player's columns once: each row takes them from
// another row, its donor.
#pragma once

#include <cstdint>

#include "octet.h"
#include "tree_ops.h"

namespace fastexplain {

// A tree with more leaves is walked row by row.
inline constexpr int kMaxWordLeaves = 256;

// What the 64 rows have below some place of a tree, in the scratch `values`: row r's lies at `at` + r / 8 * `step` + r % 8. All
// rows have the same below a leaf: one octet, and no step.
struct WordValue {
  std::int32_t at, step;
};

constexpr WordValue value_of_leaf(std::int32_t leaf) { return {leaf * kOctet, 0}; }
// Of a split, or of a step of a program (WordBlend), numbered from the tree's number of splits on.
constexpr WordValue value_of_split(std::int32_t split) { return {kMaxWordLeaves * kOctet + split * kWordRows, kOctet}; }
// Of a child as WordSplit numbers it.
constexpr WordValue value_of_child(std::int32_t child) {
  return child < kMaxWordLeaves ? value_of_leaf(child) : value_of_split(child - kMaxWordLeaves);
}

struct WordSplit {
  std::int32_t feature, column;  // column: of the codes
  std::int16_t add, bound;       // to the left where code + add, wrapping around, is at most bound
  std::int32_t child[2];         // right and left: a leaf's number, or kMaxWordLeaves + a split's (parents come first)
  WordValue value[2];            // of the children
  std::int32_t group;            // of the tree's splits on features of one player; -1: not replaced
  std::int32_t member;           // number within the group
};

// Below a split on another feature of rows whose own feature is taken to be lower, or higher, than all cuts.
struct WordBlend {
  std::int32_t split;
  WordValue value[2];  // right and left
  std::int32_t to;     // numbered as splits are
};

// Rows that come by whatever their own feature: those of `from` that go one way at a split on another one.
struct WordPass {
  std::int32_t from, split, to;  // from and to: numbers of words of `reach`
  std::uint64_t flip;            // ones: to the right
};

struct WordMember {
  std::int32_t split;
  std::int32_t value_at;   // replaced codes of its feature: those of the player's jobs follow each other
  std::int32_t reach;      // rows that come by whatever the feature's other splits
  WordValue above, below;  // values where the feature lies just above the cut, and just below
};

struct WordGroup {
  std::int32_t first_member, n_members;
  std::int32_t first_job, n_jobs;
  std::int32_t first_blend, n_blends, first_pass, n_passes;
  bool walked;                               // values do not follow from the cuts that lie between two codes
  std::uint64_t holds[kMaxWordLeaves / 64];  // splits with a member at or below them
};

struct WordTree {
  std::int32_t first_split, n_splits, first_group, n_groups, first_leaf, n_leaves, output;
};

struct ReplaceTask {
  const WordTree* trees;
  std::int64_t n_trees;
  const WordSplit* splits;
  const WordGroup* groups;
  const WordMember* members;
  const WordBlend* blends;
  const WordPass* passes;
  const double* leaf_values;  // [leaf][n_leaf_outputs]
  std::int32_t n_outputs, n_leaf_outputs;
  const std::int16_t *own, *replaced;  // codes of the rows: of each column, and of each value [value][64]; 64-byte aligned
  std::int32_t stride;                 // between columns
  std::uint64_t live;                  // rows that there are
  // Scratch.
  std::uint64_t *left, *reach;  // per split, the rows that go left and those that come by
  std::uint64_t* words;         // [member][job]
  double* values;               // 64-byte aligned, see WordValue
  double* sums;                 // in and out, 64-byte aligned: [output][64] of predict, [job][output][64] of replace
};

struct ReplaceKernels {
  void (*predict)(const ReplaceTask&);  // adds what trees give the rows as they are
  void (*replace)(const ReplaceTask&);  // adds what replacing changes
};

}  // namespace fastexplain
