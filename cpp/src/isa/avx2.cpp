// AVX2: 8 float or 4 double lanes.
#include <immintrin.h>

#include "kernels.h"

namespace fastexplain {
namespace avx2 {
namespace {

constexpr int kVectorBytes = 32;

#include "simd.inc"

inline std::uint64_t word_at_most(const std::int16_t* codes, std::int16_t add, std::int16_t bound) {
  const __m256i adds = _mm256_set1_epi16(add), bounds = _mm256_set1_epi16(bound);
  std::uint64_t above = 0;
  for (int i = 0; i < 2; ++i) {
    const __m256i* at = reinterpret_cast<const __m256i*>(codes) + 2 * i;
    const __m256i low = _mm256_cmpgt_epi16(_mm256_add_epi16(_mm256_load_si256(at), adds), bounds);
    const __m256i high = _mm256_cmpgt_epi16(_mm256_add_epi16(_mm256_load_si256(at + 1), adds), bounds);
    // packs works within 128-bit halves: put the quarters back in order before taking the sign bits.
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi16(low, high), 0xD8);
    above |= static_cast<std::uint64_t>(static_cast<std::uint32_t>(_mm256_movemask_epi8(packed))) << (32 * i);
  }
  return ~above;
}

inline std::uint64_t word_at_most(const std::int32_t* codes, std::int32_t add, std::int32_t bound) {
  const __m256i adds = _mm256_set1_epi32(add), bounds = _mm256_set1_epi32(bound);
  std::uint64_t above = 0;
  for (int i = 0; i < 8; ++i) {
    const __m256i code = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes) + i);
    const __m256i over = _mm256_cmpgt_epi32(_mm256_add_epi32(code, adds), bounds);
    above |= static_cast<std::uint64_t>(static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(over)))) << (8 * i);
  }
  return ~above;
}

// A lane's mask is its highest bit, all that select looks at: a byte of the words, in every byte of the lane, is shifted so
// that the lane's row comes to lie there.
template <class T>
using Mask = Bits<T>;

template <class T>
inline Mask<T> mask_at(const std::uint64_t* words, int group) {
  const char* bytes = reinterpret_cast<const char*>(words);
  if constexpr (kLanes<T> == 8) {
    const __m256i shifts = _mm256_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    return reinterpret_cast<Mask<T>>(_mm256_sllv_epi32(_mm256_set1_epi8(bytes[group]), shifts));
  } else {
    alignas(32) static constexpr long long kShifts[2][4] = {{7, 6, 5, 4}, {3, 2, 1, 0}};
    const __m256i shifts = _mm256_load_si256(reinterpret_cast<const __m256i*>(kShifts[group & 1]));
    return reinterpret_cast<Mask<T>>(_mm256_sllv_epi64(_mm256_set1_epi8(bytes[group >> 1]), shifts));
  }
}

inline __m256 select(Mask<float> mask, __m256 a, __m256 b) { return _mm256_blendv_ps(b, a, reinterpret_cast<__m256>(mask)); }
inline __m256d select(Mask<double> mask, __m256d a, __m256d b) {
  return _mm256_blendv_pd(b, a, reinterpret_cast<__m256d>(mask));
}

inline Vector<std::int8_t> look_up(const std::uint8_t* table, Vector<std::int8_t> codes) {
  const __m256i tables = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  return reinterpret_cast<Vector<std::int8_t>>(_mm256_shuffle_epi8(tables, reinterpret_cast<__m256i>(codes)));
}

struct Hits {
  __m256i of[2];
};

inline Hits find_hits(const std::uint64_t* at, std::uint64_t bit) {
  const __m256i bits = _mm256_set1_epi64x(static_cast<long long>(bit));
  const __m256i* words = reinterpret_cast<const __m256i*>(at);
  return {{_mm256_cmpeq_epi64(_mm256_and_si256(_mm256_load_si256(words), bits), bits),
           _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_load_si256(words + 1), bits), bits)}};
}
inline Hits as_hits(unsigned mask) {
  const __m256i bits = _mm256_set_epi64x(8, 4, 2, 1), given = _mm256_set1_epi64x(static_cast<long long>(mask));
  const __m256i low = _mm256_and_si256(given, bits), high = _mm256_and_si256(_mm256_srli_epi64(given, 4), bits);
  return {{_mm256_cmpeq_epi64(low, bits), _mm256_cmpeq_epi64(high, bits)}};
}
inline int count(const Hits& hits) {
  const int low = _mm256_movemask_pd(_mm256_castsi256_pd(hits.of[0])),
            high = _mm256_movemask_pd(_mm256_castsi256_pd(hits.of[1]));
  return __builtin_popcount(static_cast<unsigned>(low << 4 | high));
}
inline void add_where(const Hits& hits, double x, Vector<double>* sums) {
  for (int i = 0; i < 2; ++i) sums[i] += _mm256_and_pd(_mm256_castsi256_pd(hits.of[i]), _mm256_set1_pd(x));
}
inline void add_either(const Hits& hits, double x, const Hits& others, double y, Vector<double>* sums) {
  for (int i = 0; i < 2; ++i)
    sums[i] += _mm256_or_pd(_mm256_and_pd(_mm256_castsi256_pd(hits.of[i]), _mm256_set1_pd(x)),
                            _mm256_and_pd(_mm256_castsi256_pd(others.of[i]), _mm256_set1_pd(y)));
}

inline Vector<std::uint64_t> multiply_low(Vector<std::uint64_t> a, Vector<std::uint64_t> b) {
  return reinterpret_cast<Vector<std::uint64_t>>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
}

// By mask: where the chosen ones of eight numbers are, one after the other.
struct Chosen {
  alignas(32) std::uint32_t of[256][8] = {};
  constexpr Chosen() {
    for (unsigned mask = 0; mask < 256; ++mask)
      for (unsigned i = 0, n = 0; i < 8; ++i)
        if ((mask >> i & 1) != 0) of[mask][n++] = i;
  }
};
constexpr Chosen kChosen;

inline void store_chosen(unsigned mask, __m256i rows, __m256i places, PairList to) {
  const __m256i chosen = _mm256_load_si256(reinterpret_cast<const __m256i*>(kChosen.of[mask]));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to.rows), _mm256_permutevar8x32_epi32(rows, chosen));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to.places), _mm256_permutevar8x32_epi32(places, chosen));
}

// Bits as signs: by number, of words as halves.
inline __m256i signs_of(__m256i words, __m256i numbers) {
  const __m256i of_number = _mm256_permutevar8x32_epi32(words, _mm256_srli_epi32(numbers, 5));
  return _mm256_sllv_epi32(of_number, _mm256_andnot_si256(numbers, _mm256_set1_epi32(31)));
}

inline unsigned mask_of_signs(__m256i x) { return static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(x))); }

template <int kWords>
inline __m256i words_as_halves(const std::uint64_t* words) {
  if constexpr (kWords == 1)
    return _mm256_castsi128_si256(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(words)));
  else if constexpr (kWords == 2)
    return _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(words)));
  else
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words));
}

template <int kWords>
inline PairCounts divide_pairs(const PairSplit& split, std::int64_t n, PairList pairs, PairList right) {
  constexpr int kPairs = 8;
  const __m256i background = words_as_halves<kWords>(split.background_left);
  const __m256i rows = _mm256_set1_epi64x(static_cast<long long>(split.rows_left));
  const __m256i by_background = _mm256_set1_epi32(static_cast<int>(1u << split.place));
  const __m256i by_row = _mm256_set1_epi32(static_cast<int>(1u << (split.place + 16)));
  const __m128i to_sign = _mm_cvtsi32_si128(31 - split.place), row_to_sign = _mm_cvtsi32_si128(15 - split.place);
  PairCounts counts{0, 0};
  for (std::int64_t i = 0; i < n; i += kPairs) {
    const unsigned present = n - i < kPairs ? (1u << (n - i)) - 1 : 0xffu;
    const __m256i who = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(pairs.rows + i));
    const __m256i violated = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(pairs.places + i));
    const __m256i of_background = signs_of(background, _mm256_and_si256(who, _mm256_set1_epi32(255)));
    const __m256i of_row = signs_of(rows, _mm256_srli_epi32(who, 9));
    const __m256i apart = _mm256_xor_si256(of_background, of_row);
    const unsigned row_left = mask_of_signs(of_row), differ = mask_of_signs(apart);
    const unsigned violates = mask_of_signs(_mm256_sll_epi32(violated, to_sign)),
                   row_violates = mask_of_signs(_mm256_sll_epi32(violated, row_to_sign));
    const unsigned to_row = present & ~(differ & row_violates), to_background = present & differ & ~violates;
    const __m256i after_row = _mm256_or_si256(violated, _mm256_and_si256(by_background, _mm256_srai_epi32(apart, 31)));
    const __m256i after_background = _mm256_or_si256(violated, by_row);
    const __m256i chosen = _mm256_srai_epi32(of_row, 31);
    store_chosen((row_left & to_row) | (~row_left & to_background), who,
                 _mm256_blendv_epi8(after_background, after_row, chosen), pairs.from(counts.left));
    store_chosen((row_left & to_background) | (~row_left & to_row), who,
                 _mm256_blendv_epi8(after_row, after_background, chosen), right.from(counts.right));
    counts.left += __builtin_popcount((row_left & to_row) | (~row_left & to_background));
    counts.right += __builtin_popcount((row_left & to_background) | (~row_left & to_row));
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
const KernelTable kKernels = {"avx2",        kTreeKernels,        kBackgroundKernels, kPatternKernels,
                              kPairKernels,  kReplaceKernels,     kProductKernels,    kSubsetKernels,
                              kDenseKernels, kEliminationKernels, kRandomKernels};

}  // namespace avx2
}  // namespace fastexplain
