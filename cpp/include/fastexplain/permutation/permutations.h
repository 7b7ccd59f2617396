// Stratified ("Latin") permutations: which row, its donor, each row takes a feature from, in each repeat.
//
// Receivers, the rows that take, stand in random order; donors are sorted by the feature and cut into n_repeats bands of equal
// size. Repeat k shifts the receivers by k bands and shuffles the donors inside each band. Every repeat is a permutation, every
// donor is equally likely for every row, and over the repeats a row meets every band of the feature once.
#pragma once

#include <cstdint>

#include "fastexplain/parallel.h"

namespace fastexplain {

struct PermutationPlan {
  std::int64_t n_players = 0;
  std::int64_t n_rows = 0;
  std::int64_t n_repeats = 0;
  const std::int32_t* player = nullptr;  // (n_players,): stream of random numbers
  const std::int32_t* rank = nullptr;    // (n_players, n_rows): rank of the row's value; ties are broken at random
  // Rows are permuted within strata only: (n_players, n_rows) rows, ordered by stratum, and where each stratum begins.
  const std::int32_t* stratum_rows = nullptr;
  const std::int64_t* stratum_offsets = nullptr;  // strata of all players end to end
  const std::int64_t* player_strata = nullptr;    // (n_players + 1,): player p owns strata player_strata[p] .. [p + 1]
};

// donors and bands: (n_players, n_repeats, n_rows); the band is that of the donor.
void latin_permutations(const PermutationPlan& plan, std::uint64_t seed, std::int32_t* donors, std::int32_t* bands,
                        int n_threads, const InterruptCheck& check);

// What rows do to importances: terms (n_players, n_repeats, n_rows) of permuted scores (n_players, n_repeats), baseline terms
// (n_rows,); sign: +1 where a rise in the score is a loss for the model, as of errors, else -1.
struct EffectsPlan {
  std::int64_t n_players = 0;
  std::int64_t n_repeats = 0;
  std::int64_t n_rows = 0;
  double sign = 1.0;
  const double* terms = nullptr;
  const double* scores = nullptr;
  const double* baseline = nullptr;
  const double* weights = nullptr;
  const std::int32_t* donors = nullptr;
  const std::int32_t* bands = nullptr;
};

// drops (n_players, n_rows): mean over the repeats of the rise of each row's term. spread (n_players,): mean squared difference
// of terms between neighbouring bands, less the bands' own means; nan where no two bands are neighbours. influence
// (n_players,): sum of squared deviations, of a row as receiver and as donor together, in units of weight.
void row_effects(const EffectsPlan& plan, double* drops, double* spread, double* influence, int n_threads,
                 const InterruptCheck& check);

}  // namespace fastexplain
