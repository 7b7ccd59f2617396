// A tree compiled for walks against a background: splits that compare codes, in preorder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastexplain/tree/forest.h"
#include "isa/background_kernels.h"
#include "tree/encoding.h"
#include "tree/tree_program.h"

namespace fastexplain {

struct BackgroundTree {
  std::vector<BackgroundSplit> splits;  // none where the tree is one leaf, or where nothing of it is left
  std::vector<std::uint64_t> sets;
  std::vector<double> leaf_values;        // [leaf][leaf output]
  std::vector<std::int32_t> leaf_places;  // [leaf]: distinct features on its path; none where features have their own places
  std::vector<std::int32_t> features;     // [place], where they have
  std::int32_t n_levels = 0;
  std::int32_t n_distinct = 0;  // most distinct features on a path
  std::int32_t n_places = 0;    // rounded up to whole octets, and to a power of two of them where features have their own
  std::int32_t output = 0;      // that the tree adds to, if it has one leaf output

  std::size_t memory() const;
};

// Subtrees that are cut off have no value. Leaf values are taken less `less`, [leaf output]. Features have their own places
// where the tree has at most most_own_places of them.
BackgroundTree compile_background_tree(const ForestView& forest, const Encoding& encoding, const TreePart& part,
                                       const std::vector<double>& less, std::int32_t most_own_places);

// Codes of the encoded row `row` of a tile as splits number them: [2 * column + (missing goes left)].
void row_codes(const Encoding& encoding, const void* tile, std::int64_t row, std::int32_t* codes);

}  // namespace fastexplain
