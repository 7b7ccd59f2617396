#include "fastexplain/permutations.h"

#include <algorithm>
#include <vector>

#include "fastexplain/random.h"

namespace fastexplain {
namespace {

struct Scratch {
  std::vector<std::int32_t> receivers, sorted, shuffled;
};

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
  scratch.sorted.assign(rows, rows + n);
  order.shuffle(scratch.sorted.data(), size);
  std::stable_sort(scratch.sorted.begin(), scratch.sorted.end(),
                   [rank](std::int32_t a, std::int32_t b) { return rank[a] < rank[b]; });
  for (std::int64_t k = 0; k < n_repeats; ++k) {
    RandomStream random(seed, stream, first + 1 + static_cast<std::uint64_t>(k));
    scratch.shuffled = scratch.sorted;
    std::int32_t* out = donors + k * plan.n_rows;
    std::int32_t* band_out = bands + k * plan.n_rows;
    const std::int64_t shift = k * n / n_repeats;
    for (std::int64_t b = 0; b < n_repeats; ++b) {
      const std::int64_t begin = b * n / n_repeats, end = (b + 1) * n / n_repeats;
      random.shuffle(scratch.shuffled.data() + begin, static_cast<std::uint32_t>(end - begin));
      for (std::int64_t q = begin; q < end; ++q) {
        const std::int32_t receiver = scratch.receivers[q >= shift ? q - shift : q - shift + n];
        out[receiver] = scratch.shuffled[q];
        band_out[receiver] = static_cast<std::int32_t>(b);
      }
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
          const std::int64_t begin = plan.stratum_offsets[s] - p * plan.n_rows, end = plan.stratum_offsets[s + 1] - p * plan.n_rows;
          permute_stratum(plan, p, plan.stratum_rows + p * plan.n_rows + begin, end - begin, seed, s - plan.player_strata[p],
                          donors + at, bands + at, scratch[worker]);
        }
      },
      check);
}

}  // namespace fastexplain
