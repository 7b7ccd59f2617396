// What every CPU of the architecture has: SSE2 on x86-64; elsewhere the compiler's own 16-byte vectors (NEON on aarch64).
#include "kernels.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace fastexplain {
namespace baseline {
namespace {

constexpr int kVectorBytes = 16;

#include "simd.inc"

#if defined(__SSE2__)
inline std::uint64_t word_at_most(const std::int16_t* codes, std::int16_t add, std::int16_t bound) {
  const __m128i adds = _mm_set1_epi16(add), bounds = _mm_set1_epi16(bound);
  std::uint64_t above = 0;
  for (int i = 0; i < 4; ++i) {
    const __m128i* at = reinterpret_cast<const __m128i*>(codes) + 2 * i;
    const __m128i low = _mm_cmpgt_epi16(_mm_add_epi16(_mm_load_si128(at), adds), bounds);
    const __m128i high = _mm_cmpgt_epi16(_mm_add_epi16(_mm_load_si128(at + 1), adds), bounds);
    above |= static_cast<std::uint64_t>(_mm_movemask_epi8(_mm_packs_epi16(low, high))) << (16 * i);
  }
  return ~above;
}
#else
inline std::uint64_t word_at_most(const std::int16_t* codes, std::int16_t add, std::int16_t bound) {
  std::uint64_t word = 0;
  for (int row = 0; row < kWordRows; ++row) {
    const auto code = static_cast<std::int16_t>(static_cast<std::uint16_t>(codes[row]) + static_cast<std::uint16_t>(add));
    word |= static_cast<std::uint64_t>(code <= bound) << row;
  }
  return word;
}
#endif

inline std::uint64_t word_at_most(const std::int32_t* codes, std::int32_t add, std::int32_t bound) {
  std::uint64_t word = 0;
  for (int row = 0; row < kWordRows; ++row) {
    const auto code = static_cast<std::int32_t>(static_cast<std::uint32_t>(codes[row]) + static_cast<std::uint32_t>(add));
    word |= static_cast<std::uint64_t>(code <= bound) << row;
  }
  return word;
}

// Lane masks are vectors of all-ones or zero.
template <class T>
using Mask = Bits<T>;

// Lanes of the group-th kLanes<T> rows. Compares 32-bit halves, the same bit in both halves of a double: SSE2 has no comparison
// of 64-bit integers.
template <class T>
inline Mask<T> mask_at(const std::uint64_t* words, int group) {
  using Halves = Vector<std::int32_t>;
  constexpr int kCount = kLanes<T>, kHalves = kLanes<std::int32_t>;
  Halves lane_bit;
  for (int half = 0; half < kHalves; ++half) lane_bit[half] = 1 << (half * kCount / kHalves);
  const std::uint64_t word = words[group / (kWordRows / kCount)] >> (group % (kWordRows / kCount) * kCount);
  const Halves bits = static_cast<std::int32_t>(word & ((std::uint64_t{1} << kCount) - 1)) - Halves{};
  return reinterpret_cast<Mask<T>>((bits & lane_bit) == lane_bit);
}

// Bit by bit: the lanes of a mask are all ones or all zeros.
template <class M, class V>
inline V select(M mask, V a, V b) {
  return reinterpret_cast<V>((mask & reinterpret_cast<M>(a)) | (~mask & reinterpret_cast<M>(b)));
}

inline Vector<std::int8_t> look_up(const std::uint8_t* table, Vector<std::int8_t> codes) {
  for (int i = 0; i < kLanes<std::int8_t>; ++i) codes[i] = static_cast<std::int8_t>(table[codes[i]]);
  return codes;
}

using Hits = unsigned;

inline Hits find_hits(const std::uint64_t* at, std::uint64_t bit) {
  Hits hits = 0;
  for (int i = 0; i < 8; ++i) hits |= static_cast<Hits>((at[i] & bit) != 0) << i;
  return hits;
}
inline Hits as_hits(unsigned mask) { return mask; }
inline int count(Hits hits) { return __builtin_popcount(hits); }
inline void add_where(Hits hits, double x, Vector<double>* sums) {
  for (int i = 0; i < 4; ++i) sums[i] += Vector<double>{hits >> 2 * i & 1 ? x : 0, hits >> 2 * i & 2 ? x : 0};
}
inline void add_either(Hits hits, double x, Hits others, double y, Vector<double>* sums) {
  for (int i = 0; i < 8; ++i) sums[i / 2][i % 2] += hits >> i & 1 ? x : others >> i & 1 ? y : 0;
}

inline Vector<std::uint64_t> multiply_low(Vector<std::uint64_t> a, Vector<std::uint64_t> b) {
#if defined(__SSE2__)
  return reinterpret_cast<Vector<std::uint64_t>>(_mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
  return (a & 0xFFFFFFFF) * (b & 0xFFFFFFFF);
#endif
}

template <int kWords>
inline PairCounts divide_pairs(const PairSplit& split, std::int64_t n, PairList pairs, PairList right) {
  const std::uint32_t by_background = 1u << split.place, by_row = by_background << 16;
  PairCounts counts{0, 0};
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint32_t who = pairs.rows[i], violated = pairs.places[i];
    const int other = pair_background(who);
    const bool row_left = (split.rows_left >> pair_row(who) & 1) != 0;
    const bool differ = (split.background_left[other / kWordRows] >> other % kWordRows & 1) != row_left;
    const bool to_row = !(differ && (violated & by_row) != 0), to_background = differ && (violated & by_background) == 0;
    const std::uint32_t after_row = differ ? violated | by_background : violated, after_background = violated | by_row;
    pairs.rows[counts.left] = who;
    pairs.places[counts.left] = row_left ? after_row : after_background;
    right.rows[counts.right] = who;
    right.places[counts.right] = row_left ? after_background : after_row;
    counts.left += row_left ? to_row : to_background;
    counts.right += row_left ? to_background : to_row;
  }
  return counts;
}

#include "background_body.inc"
#include "dense_body.inc"
#include "elimination_body.inc"
#include "expand_chunk.inc"
#include "kernel_body.inc"
#include "pair_body.inc"
#include "pattern_body.inc"
#include "product_body.inc"
#include "random_body.inc"
#include "replace_body.inc"
#include "row_body.inc"
#include "subset_body.inc"

}  // namespace

extern const KernelTable kKernels;
const KernelTable kKernels = {"baseline",    kTreeKernels,        kBackgroundKernels, kPatternKernels,
                              kPairKernels,  kReplaceKernels,     kProductKernels,    kSubsetKernels,
                              kDenseKernels, kEliminationKernels, kRandomKernels};

}  // namespace baseline
}  // namespace fastexplain
