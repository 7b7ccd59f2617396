// AVX-512 (F, BW, DQ, VL): 16 float or 8 double lanes, and the words of decisions are mask registers as they are.
#include <immintrin.h>

#include "kernels.h"

namespace fastexplain {
namespace avx512 {
namespace {

constexpr int kVectorBytes = 64;

#include "simd.inc"

// A comparison's mask as the low bits of a word. GCC 12 may spill a mask that it has widened with a 32-bit store and a 64-bit
// load (it does under -fsanitize=thread), so the widening is done in a general register.
inline std::uint64_t low_bits(std::uint32_t mask) {
  asm("" : "+r"(mask));
  return mask;
}

inline std::uint64_t word_at_most(const std::int16_t* codes, std::int16_t add, std::int16_t bound) {
  const __m512i adds = _mm512_set1_epi16(add), bounds = _mm512_set1_epi16(bound);
  std::uint64_t word = 0;
  for (int i = 0; i < 2; ++i) {
    const __m512i code = _mm512_load_si512(codes + 32 * i);
    word |= low_bits(_mm512_cmple_epi16_mask(_mm512_add_epi16(code, adds), bounds)) << (32 * i);
  }
  return word;
}

inline std::uint64_t word_at_most(const std::int32_t* codes, std::int32_t add, std::int32_t bound) {
  const __m512i adds = _mm512_set1_epi32(add), bounds = _mm512_set1_epi32(bound);
  std::uint64_t word = 0;
  for (int i = 0; i < 4; ++i) {
    const __m512i code = _mm512_load_si512(codes + 16 * i);
    word |= low_bits(_mm512_cmple_epi32_mask(_mm512_add_epi32(code, adds), bounds)) << (16 * i);
  }
  return word;
}

template <class T>
struct MaskRegister;
template <>
struct MaskRegister<float> {
  __mmask16 bits;
};
template <>
struct MaskRegister<double> {
  __mmask8 bits;
};

template <class T>
using Mask = MaskRegister<T>;

// A mask is so many bytes of the words as they lie in memory.
template <class T>
inline Mask<T> mask_at(const std::uint64_t* words, int group) {
  const char* at = reinterpret_cast<const char*>(words) + group * (kLanes<T> / 8);
  if constexpr (kLanes<T> == 16)
    return {_load_mask16(reinterpret_cast<__mmask16*>(const_cast<char*>(at)))};
  else
    return {_load_mask8(reinterpret_cast<__mmask8*>(const_cast<char*>(at)))};
}

inline __m512 select(Mask<float> mask, __m512 a, __m512 b) { return _mm512_mask_blend_ps(mask.bits, b, a); }
inline __m512d select(Mask<double> mask, __m512d a, __m512d b) { return _mm512_mask_blend_pd(mask.bits, b, a); }

inline Vector<std::int8_t> look_up(const std::uint8_t* table, Vector<std::int8_t> codes) {
  const __m512i tables = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  return reinterpret_cast<Vector<std::int8_t>>(_mm512_shuffle_epi8(tables, reinterpret_cast<__m512i>(codes)));
}

using Hits = __mmask8;

inline Hits find_hits(const std::uint64_t* at, std::uint64_t bit) {
  return _mm512_test_epi64_mask(_mm512_load_si512(at), _mm512_set1_epi64(static_cast<long long>(bit)));
}
inline Hits as_hits(unsigned mask) { return static_cast<Hits>(mask); }
inline int count(Hits hits) { return __builtin_popcount(hits); }
inline void add_where(Hits hits, double x, Vector<double>* sums) {
  *sums = _mm512_mask_add_pd(*sums, hits, *sums, _mm512_set1_pd(x));
}
inline void add_either(Hits hits, double x, Hits others, double y, Vector<double>* sums) {
  *sums += _mm512_mask_mov_pd(_mm512_maskz_mov_pd(hits, _mm512_set1_pd(x)), others, _mm512_set1_pd(y));
}

inline void expand_chunk(const double* from, std::uint32_t mask, double* to) {
  _mm512_store_pd(to, _mm512_maskz_expand_pd(static_cast<__mmask8>(mask), _mm512_loadu_pd(from)));
}

inline void expand_chunk(const double* from, std::uint32_t mask, float* to) {
  __m512 numbers = _mm512_castps256_ps512(_mm512_cvtpd_ps(_mm512_loadu_pd(from)));
  if (__builtin_popcount(mask) > 8) numbers = _mm512_insertf32x8(numbers, _mm512_cvtpd_ps(_mm512_loadu_pd(from + 8)), 1);
  _mm512_store_ps(to, _mm512_maskz_expand_ps(static_cast<__mmask16>(mask), numbers));
}

inline Vector<std::uint64_t> multiply_low(Vector<std::uint64_t> a, Vector<std::uint64_t> b) {
  return reinterpret_cast<Vector<std::uint64_t>>(_mm512_mul_epu32(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
}

template <int kWords>
inline PairCounts divide_pairs(const PairSplit& split, std::int64_t n, PairList pairs, PairList right) {
  constexpr int kPairs = 16;
  // Words as halves, by number.
  const __m512i background = _mm512_maskz_loadu_epi64((1 << kWords) - 1, split.background_left);
  const __m512i rows = _mm512_set1_epi64(static_cast<long long>(split.rows_left)), one = _mm512_set1_epi32(1);
  const __m512i by_background = _mm512_set1_epi32(static_cast<int>(1u << split.place));
  const __m512i by_row = _mm512_set1_epi32(static_cast<int>(1u << (split.place + 16)));
  PairCounts counts{0, 0};
  for (std::int64_t i = 0; i < n; i += kPairs) {
    const __mmask16 present = static_cast<__mmask16>(n - i < kPairs ? (1u << (n - i)) - 1 : 0xffffu);
    const __m512i who = _mm512_loadu_si512(pairs.rows + i), violated = _mm512_loadu_si512(pairs.places + i);
    const __m512i row = _mm512_srli_epi32(who, 9);
    const __m512i of_background = _mm512_permutexvar_epi32(_mm512_srli_epi32(who, 5), background);
    const __m512i of_row = _mm512_permutexvar_epi32(_mm512_srli_epi32(row, 5), rows);
    const __mmask16 background_left = _mm512_test_epi32_mask(_mm512_rorv_epi32(of_background, who), one);
    const __mmask16 row_left = _mm512_test_epi32_mask(_mm512_rorv_epi32(of_row, row), one);
    const __mmask16 differ = background_left ^ row_left;
    const __mmask16 row_violates = _mm512_test_epi32_mask(violated, by_row);
    const __mmask16 to_row = present & ~(differ & row_violates);
    const __mmask16 to_background = present & differ & _mm512_testn_epi32_mask(violated, by_background);
    const __m512i after_row = _mm512_mask_or_epi32(violated, differ, violated, by_background);
    const __m512i after_background = _mm512_or_epi32(violated, by_row);
    const __mmask16 to_left = (row_left & to_row) | (~row_left & to_background);
    const __mmask16 to_right = (row_left & to_background) | (~row_left & to_row);
    const __m512i left_places = _mm512_mask_blend_epi32(row_left, after_background, after_row);
    const __m512i right_places = _mm512_mask_blend_epi32(row_left, after_row, after_background);
    _mm512_storeu_si512(pairs.rows + counts.left, _mm512_maskz_compress_epi32(to_left, who));
    _mm512_storeu_si512(pairs.places + counts.left, _mm512_maskz_compress_epi32(to_left, left_places));
    _mm512_storeu_si512(right.rows + counts.right, _mm512_maskz_compress_epi32(to_right, who));
    _mm512_storeu_si512(right.places + counts.right, _mm512_maskz_compress_epi32(to_right, right_places));
    counts.left += __builtin_popcount(to_left);
    counts.right += __builtin_popcount(to_right);
  }
  return counts;
}

#include "background_body.inc"
#include "dense_body.inc"
#include "elimination_body.inc"
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
const KernelTable kKernels = {"avx512",      kTreeKernels,        kBackgroundKernels, kPatternKernels,
                              kPairKernels,  kReplaceKernels,     kProductKernels,    kSubsetKernels,
                              kDenseKernels, kEliminationKernels, kRandomKernels};

}  // namespace avx512
}  // namespace fastexplain
