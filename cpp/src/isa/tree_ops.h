// The instructions of a compiled tree: plain structs, shared by the compiler and the kernels of every instruction set.
#pragma once

#include <cstdint>

namespace fastexplain {

// Rows go through a tree in tiles of 256. A node's decisions on them are kept in words, one bit for each of 64 rows. A tile has
// several words, so that what is computed once per node and tile costs less per row.
inline constexpr int kWordRows = 64;
inline constexpr int kTileWords = 4;
inline constexpr int kTileRows = kTileWords * kWordRows;

// Code of a missing value in a numerical column: above every bound, and below all of them once 1 is added.
inline constexpr std::int16_t kMissingNarrow = 32767;
inline constexpr std::int32_t kMissingWide = 2147483647;

// How one inner node decides. Bit r of its word: row r takes the node's first child (the compiler may swap the children).
struct Decision {
  std::int32_t bound;     // code + (default_first) <= bound; unused by categorical nodes
  std::uint32_t column;   // number in the low 29 bits, then the flags below
  std::int32_t ancestor;  // 2 * decision + side of the nearest ancestor on the same feature, side 1 = its second child; or -1
  static constexpr std::uint32_t kColumnMask = (1u << 29) - 1;
  static constexpr std::uint32_t kCategorical = 1u << 29;   // decided by its CategoryBlock
  static constexpr std::uint32_t kMissingWraps = 1u << 30;  // missing goes left: add 1, so that the missing code wraps to least
  static constexpr std::uint32_t kFlip = 1u << 31;          // the node's first child is the library's right one
};

// What the algebra needs of an inner node; its decision has the same number.
template <class T>
struct NodeConstants {
  T share;                 // c: cover of the first child over the node's
  T accumulated;           // C: product of the shares taken at earlier splits on this feature on the path; 1 if there is none
  std::uint32_t slot;      // number of the node's feature in the tree's own list of features, TreeProgram::features
  std::uint32_t repeated;  // whether there is an earlier split on this feature
};

// Steps of a tree's program, which visits the nodes depth first. A twig is an inner node with two leaves, as half of all inner
// nodes are: it is evaluated inside its parent, in registers, and has no step of its own. Names of steps say what the first and
// the second child of the node are: a subtree, whose value lies on the stack, a twig or a leaf.
enum class Step : std::uint32_t {
  kEnterFirst,     // path products of the first child
  kEnterSecond,    // path products of the second child, in place of the first one's
  kCombineSubSub,  // both children are subtrees
  kCombineSubTwig,
  kCombineSubLeaf,
  kTwigTwig,  // no subtree below
  kTwigLeaf,
  kLeafLeaf,  // a root with two leaves
};

struct Op {
  std::uint32_t node;        // decision number; a first twig's is node + 1, a second twig's is the next free one after that
  std::uint32_t level : 24;  // depth of the node, the root's is 1
  std::uint32_t side : 1;    // which child of its parent the node is: where its value goes
  Step step : 4;
  std::uint32_t repeated : 3;  // bits: the node, the first twig and the second twig have an earlier split on their feature
};
static_assert(sizeof(Op) == 8);
inline constexpr std::uint32_t kMaxLevels = (1u << 24) - 1;

}  // namespace fastexplain
