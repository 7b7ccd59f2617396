#include "fastexplain/permutation/permutations.h"

#include <algorithm>
#include <vector>

#include "fastexplain/random.h"

namespace fastexplain {
namespace {

struct Scratch {
  std::vector<std::int32_t> receivers, drawn, sorted, shuffled;
  std::vector<std::int32_t> place, band;  // of each row among the receivers, of each place among the donors
  std::vector<std::int64_t> places;
};

// Rows by rank, those of one rank in the order given.
void sort_by_rank(const std::int32_t* rank, Scratch& scratch) {
  const std::vector<std::int32_t>& rows = scratch.drawn;
  std::int32_t highest = 0;
  for (const std::int32_t row : rows) highest = std::max(highest, rank[row]);
  scratch.places.assign(highest + 2, 0);
  for (const std::int32_t row : rows) ++scratch.places[rank[row] + 1];
  for (std::int32_t r = 0; r <= highest; ++r) scratch.places[r + 1] += scratch.places[r];
  scratch.sorted.resize(rows.size());
  for (const std::int32_t row : rows) scratch.sorted[scratch.places[rank[row]]++] = row;
}

void permute_stratum(const PermutationPlan& plan, std::int64_t p, const std::int32_t* rows, std::int64_t n, std::uint64_t seed,
                     std::int64_t stratum, std::int32_t* donors, std::int32_t* bands, Scratch& scratch) {
  const std::int32_t* rank = plan.rank + p * plan.n_rows;
  const auto size = static_cast<std::uint32_t>(n);
  const auto stream = static_cast<std::uint32_t>(plan.player[p]);
  const std::int64_t n_repeats = plan.n_repeats;
  // index: the stratum above, the repeat below; repeat 0 of the counter draws the order of receivers and of ties.
  const std::uint64_t first = static_cast<std::uint64_t>(stratum) << 32;
  RandomStream order(seed, stream, first);
  scratch.receivers.assign(rows, rows + n);
  order.shuffle(scratch.receivers.data(), size);
  scratch.drawn.assign(rows, rows + n);
  order.shuffle(scratch.drawn.data(), size);
  sort_by_rank(rank, scratch);
  scratch.place.resize(plan.n_rows);
  for (std::int64_t q = 0; q < n; ++q) scratch.place[scratch.receivers[q]] = static_cast<std::int32_t>(q);
  scratch.band.resize(n);
  for (std::int64_t b = 0; b < n_repeats; ++b)
    std::fill(scratch.band.begin() + b * n / n_repeats, scratch.band.begin() + (b + 1) * n / n_repeats,
              static_cast<std::int32_t>(b));
  for (std::int64_t k = 0; k < n_repeats; ++k) {
    RandomStream random(seed, stream, first + 1 + static_cast<std::uint64_t>(k));
    scratch.shuffled = scratch.sorted;
    std::int32_t* out = donors + k * plan.n_rows;
    std::int32_t* band_out = bands + k * plan.n_rows;
    const std::int64_t shift = k * n / n_repeats;
    for (std::int64_t b = 0; b < n_repeats; ++b) {
      const std::int64_t begin = b * n / n_repeats, end = (b + 1) * n / n_repeats;
      random.shuffle(scratch.shuffled.data() + begin, static_cast<std::uint32_t>(end - begin));
    }
    // in the order of the rows, so that only reads jump about
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int32_t row = rows[i];
      std::int64_t q = scratch.place[row] + shift;
      q -= q >= n ? n : 0;
      out[row] = scratch.shuffled[q];
      band_out[row] = scratch.band[q];
    }
  }
}

}  // namespace

void latin_permutations(const PermutationPlan& plan, std::uint64_t seed, std::int32_t* donors, std::int32_t* bands,
                        int n_threads, const InterruptCheck& check) {
  std::vector<Scratch> scratch(n_threads);
  parallel_for(
      plan.n_players, n_threads,
      [&](std::int64_t p, int worker) {
        const std::int64_t at = p * plan.n_repeats * plan.n_rows;
        for (std::int64_t s = plan.player_strata[p]; s < plan.player_strata[p + 1]; ++s) {
          const std::int64_t begin = plan.stratum_offsets[s] - p * plan.n_rows,
                             end = plan.stratum_offsets[s + 1] - p * plan.n_rows;
          permute_stratum(plan, p, plan.stratum_rows + p * plan.n_rows + begin, end - begin, seed, s - plan.player_strata[p],
                          donors + at, bands + at, scratch[worker]);
        }
      },
      check);
}

namespace {

struct EffectScratch {
  std::vector<double> donated, band_sum, band_count;
};

double spread_between_bands(const EffectsPlan& plan, const double* terms, const std::int32_t* bands, EffectScratch& scratch) {
  const std::int64_t n = plan.n_rows, n_repeats = plan.n_repeats;
  scratch.band_sum.assign(n_repeats, 0.0);
  scratch.band_count.assign(n_repeats, 0.0);
  for (std::int64_t q = 0; q < n * n_repeats; ++q) {
    scratch.band_sum[bands[q]] += terms[q];
    scratch.band_count[bands[q]] += 1.0;
  }
  for (std::int64_t b = 0; b < n_repeats; ++b) scratch.band_sum[b] /= std::max(scratch.band_count[b], 1.0);
  double squares = 0, pairs = 0;
  for (std::int64_t k = 1; k < n_repeats; ++k) {
    const double *before = terms + (k - 1) * n, *after = terms + k * n;
    const std::int32_t *band_before = bands + (k - 1) * n, *band_after = bands + k * n;
    for (std::int64_t i = 0; i < n; ++i) {
      if (band_after[i] <= band_before[i]) continue;  // from the last band to the first
      const double step = (after[i] - scratch.band_sum[band_after[i]]) - (before[i] - scratch.band_sum[band_before[i]]);
      const double square = plan.weights[i] * plan.weights[i];
      squares += square * step * step;
      pairs += square;
    }
  }
  return squares / pairs;
}

}  // namespace

void row_effects(const EffectsPlan& plan, double* drops, double* spread, double* influence, int n_threads,
                 const InterruptCheck& check) {
  const std::int64_t n = plan.n_rows, n_repeats = plan.n_repeats;
  double total = 0;
  for (std::int64_t i = 0; i < n; ++i) total += plan.weights[i];
  std::vector<EffectScratch> scratches(n_threads);
  parallel_for(
      plan.n_players, n_threads,
      [&](std::int64_t p, int worker) {
        EffectScratch& scratch = scratches[worker];
        const double* terms = plan.terms + p * n_repeats * n;
        const std::int32_t* donors = plan.donors + p * n_repeats * n;
        double* drop = drops + p * n;
        scratch.donated.assign(n, 0.0);
        std::fill(drop, drop + n, 0.0);
        for (std::int64_t k = 0; k < n_repeats; ++k) {
          const double score = plan.scores[p * n_repeats + k];
          for (std::int64_t i = 0; i < n; ++i) {
            drop[i] += terms[k * n + i];
            scratch.donated[donors[k * n + i]] += (terms[k * n + i] - score) * plan.weights[i];
          }
        }
        double mean = 0;
        for (std::int64_t i = 0; i < n; ++i) {
          drop[i] = plan.sign * (drop[i] / static_cast<double>(n_repeats) - plan.baseline[i]);
          mean += plan.weights[i] * drop[i];
        }
        mean /= total;
        double sum = 0;
        for (std::int64_t i = 0; i < n; ++i) {
          const double both =
              plan.weights[i] * (drop[i] - mean) + plan.sign * scratch.donated[i] / static_cast<double>(n_repeats);
          sum += both * both;
        }
        influence[p] = sum;
        spread[p] = spread_between_bands(plan, terms, plan.bands + p * n_repeats * n, scratch);
      },
      check);
}

}  // namespace fastexplain
