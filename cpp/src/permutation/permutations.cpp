#include "fastexplain/permutation/permutations.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "isa/kernels.h"

namespace fastexplain {
namespace {

// The numbers of a RandomStream, drawn many blocks at a time.
class Numbers {
 public:
  Numbers(std::uint64_t seed, std::uint32_t stream, std::uint64_t index)
      : task_{{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
              {0, stream, static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32)},
              0,
              numbers_} {}

  // As RandomStream::shuffle.
  void shuffle(std::int32_t* values, std::uint32_t n) {
    for (std::uint32_t i = n; i > 1;) {
      if (next_ == drawn_) draw(i - 1);
      const std::uint32_t* number = numbers_ + next_;
      const std::uint32_t* const end = number + std::min(drawn_ - next_, i - 1);
      next_ = static_cast<std::uint32_t>(end - numbers_);
      for (; number < end; ++number) {
        const std::uint64_t product = std::uint64_t{*number} * i;
        // The few numbers that would favour some places (Lemire 2019).
        if (static_cast<std::uint32_t>(product) < i && static_cast<std::uint32_t>(product) < (0u - i) % i) continue;
        std::swap(values[i - 1], values[product >> 32]);
        --i;
      }
    }
  }

 private:
  static constexpr std::uint32_t kBlocks = 256;

  void draw(std::uint32_t n) {
    task_.n_blocks = std::min((n + 3) / 4, kBlocks);
    active_kernels().random.fill(task_);
    task_.counter[0] += static_cast<std::uint32_t>(task_.n_blocks);
    next_ = 0;
    drawn_ = static_cast<std::uint32_t>(task_.n_blocks) * 4;
  }

  RandomTask task_;
  std::uint32_t next_ = 0, drawn_ = 0;
  std::uint32_t numbers_[kBlocks * 4];
};

struct Scratch {
  std::vector<std::int32_t> receivers, drawn, sorted, shuffled, places;
  std::vector<std::int32_t> place, band;  // of each row among the receivers, of each place among the donors
};

// Rows by rank, those of one rank in the order that `random` gives them.
void sort_by_rank(const std::int32_t* rank, const std::int32_t* rows, std::int64_t n, Numbers& random, Scratch& scratch) {
  std::int32_t highest = 0;
  for (std::int64_t i = 0; i < n; ++i) highest = std::max(highest, rank[rows[i]]);
  scratch.sorted.resize(n);
  scratch.places.assign(static_cast<std::size_t>(highest) + 2, 0);
  std::int32_t* const places = scratch.places.data();
  for (std::int64_t i = 0; i < n; ++i) ++places[rank[rows[i]] + 1];
  if (highest == n - 1 && std::all_of(places + 1, places + n + 1, [](std::int32_t count) { return count == 1; })) {
    for (std::int64_t i = 0; i < n; ++i) scratch.sorted[rank[rows[i]]] = rows[i];  // no ties to break
    return;
  }
  scratch.drawn.assign(rows, rows + n);
  random.shuffle(scratch.drawn.data(), static_cast<std::uint32_t>(n));
  for (std::int32_t r = 0; r <= highest; ++r) places[r + 1] += places[r];
  for (const std::int32_t row : scratch.drawn) scratch.sorted[places[rank[row]]++] = row;
}

// Places of receivers, and bands of places.
void find_places(std::int64_t n, std::int64_t n_repeats, Scratch& scratch) {
  for (std::int64_t q = 0; q < n; ++q) scratch.place[scratch.receivers[q]] = static_cast<std::int32_t>(q);
  scratch.band.resize(n);
  for (std::int64_t b = 0; b < n_repeats; ++b)
    std::fill(scratch.band.begin() + b * n / n_repeats, scratch.band.begin() + (b + 1) * n / n_repeats,
              static_cast<std::int32_t>(b));
}

void permute_stratum(const PermutationPlan& plan, std::int64_t p, const std::int32_t* rows, std::int64_t n, std::uint64_t seed,
                     std::int64_t stratum, std::int32_t* donors, std::int32_t* bands, Scratch& scratch) {
  const auto stream = static_cast<std::uint32_t>(plan.player[p]);
  const std::int64_t n_repeats = plan.n_repeats;
  // index: the stratum above, the repeat below; repeat 0 of the counter draws the order of receivers and of ties.
  const std::uint64_t first = static_cast<std::uint64_t>(stratum) << 32;
  Numbers order(seed, stream, first);
  scratch.receivers.assign(rows, rows + n);
  order.shuffle(scratch.receivers.data(), static_cast<std::uint32_t>(n));
  sort_by_rank(plan.rank + p * plan.n_rows, rows, n, order, scratch);
  scratch.place.resize(plan.n_rows);
  find_places(n, n_repeats, scratch);
  for (std::int64_t k = 0; k < n_repeats; ++k) {
    Numbers random(seed, stream, first + 1 + static_cast<std::uint64_t>(k));
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

// Repeats that are read side by side, so that what one row adds goes to bands that differ.
constexpr std::int64_t kRepeatsTogether = 8;

// Mean squared difference of neighbouring bands, from sums over every fourth row, which do not wait for each other.
double spread_between_bands(const EffectsPlan& plan, const double* terms, const std::int32_t* bands, const double* band_mean) {
  constexpr int kSums = 4;
  const std::int64_t n = plan.n_rows, n_repeats = plan.n_repeats;
  double squares[kSums] = {}, pairs[kSums] = {};
  for (std::int64_t first = 0; first + 1 < n_repeats; first += kRepeatsTogether) {
    const std::int64_t last = std::min(first + kRepeatsTogether, n_repeats - 1);
    for (std::int64_t i = 0; i < n; ++i) {
      const double squared = plan.weights[i] * plan.weights[i];
      std::int32_t band_before = bands[first * n + i];
      double before = terms[first * n + i] - band_mean[band_before];
      double row_squares = 0, row_pairs = 0;
      for (std::int64_t k = first + 1; k <= last; ++k) {
        const std::int32_t band = bands[k * n + i];
        const double after = terms[k * n + i] - band_mean[band], step = after - before;
        // not from the last band to the first; nobody can foretell which rows are there, so they are multiplied by zero
        const double weight = squared * static_cast<double>(band > band_before);
        row_squares += weight * (step * step);
        row_pairs += weight;
        band_before = band;
        before = after;
      }
      squares[static_cast<std::uint64_t>(i) % kSums] += row_squares;
      pairs[static_cast<std::uint64_t>(i) % kSums] += row_pairs;
    }
  }
  return ((squares[0] + squares[1]) + (squares[2] + squares[3])) / ((pairs[0] + pairs[1]) + (pairs[2] + pairs[3]));
}

// Adds up what the rows do in all repeats: as receivers, as donors, by band of the donor.
void add_terms(const EffectsPlan& plan, std::int64_t p, double* drop, EffectScratch& scratch) {
  const std::int64_t n = plan.n_rows, n_repeats = plan.n_repeats;
  scratch.donated.assign(n, 0.0);
  scratch.band_sum.assign(n_repeats, 0.0);
  scratch.band_count.assign(n_repeats, 0.0);
  std::fill(drop, drop + n, 0.0);
  double *donated = scratch.donated.data(), *band_sum = scratch.band_sum.data(), *band_count = scratch.band_count.data();
  const double *terms = plan.terms + p * n_repeats * n, *scores = plan.scores + p * n_repeats;
  const std::int32_t *donors = plan.donors + p * n_repeats * n, *bands = plan.bands + p * n_repeats * n;
  for (std::int64_t first = 0; first < n_repeats; first += kRepeatsTogether) {
    const std::int64_t end = std::min(first + kRepeatsTogether, n_repeats);
    for (std::int64_t i = 0; i < n; ++i) {
      const double weight = plan.weights[i];
      double sum = drop[i];
      for (std::int64_t k = first; k < end; ++k) {
        const double term = terms[k * n + i];
        sum += term;
        donated[donors[k * n + i]] += (term - scores[k]) * weight;
        band_sum[bands[k * n + i]] += term;
      }
      drop[i] = sum;
    }
  }
  // As many in every repeat, each a permutation of the donors.
  for (std::int64_t i = 0; i < n; ++i) band_count[bands[i]] += static_cast<double>(n_repeats);
}

void effects_of_player(const EffectsPlan& plan, std::int64_t p, double total, double* drop, double* spread, double* influence,
                       EffectScratch& scratch) {
  const std::int64_t n = plan.n_rows, n_repeats = plan.n_repeats;
  add_terms(plan, p, drop, scratch);
  double mean = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    drop[i] = plan.sign * (drop[i] / static_cast<double>(n_repeats) - plan.baseline[i]);
    mean += plan.weights[i] * drop[i];
  }
  mean /= total;
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double both = plan.weights[i] * (drop[i] - mean) + plan.sign * scratch.donated[i] / static_cast<double>(n_repeats);
    sum += both * both;
  }
  *influence = sum;
  for (std::int64_t b = 0; b < n_repeats; ++b) scratch.band_sum[b] /= std::max(scratch.band_count[b], 1.0);
  *spread = spread_between_bands(plan, plan.terms + p * n_repeats * n, plan.bands + p * n_repeats * n, scratch.band_sum.data());
}

}  // namespace

void row_effects(const EffectsPlan& plan, double* drops, double* spread, double* influence, int n_threads,
                 const InterruptCheck& check) {
  double total = 0;
  for (std::int64_t i = 0; i < plan.n_rows; ++i) total += plan.weights[i];
  std::vector<EffectScratch> scratches(n_threads);
  parallel_for(
      plan.n_players, n_threads,
      [&](std::int64_t p, int worker) {
        effects_of_player(plan, p, total, drops + p * plan.n_rows, spread + p, influence + p, scratches[worker]);
      },
      check);
}

}  // namespace fastexplain
