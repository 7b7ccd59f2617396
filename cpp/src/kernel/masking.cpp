#include "fastexplain/kernel/masking.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>

#include "fastexplain/parallel.h"

namespace fastexplain {
namespace {

constexpr std::int64_t kBlockBytes = 1 << 17;  // of output per index of parallel_for: half of a small L2 cache

// Bits of Word are selected, whatever they mean. What depends on the coalition alone is computed once per run of outputs that
// share it (a whole background, as a rule).
template <class Word>
void fill_block(const MaskingTask& task, std::int64_t begin, std::int64_t end, std::vector<Word>& scratch) {
  const std::int64_t n = task.n_columns;
  scratch.resize(static_cast<std::size_t>(2 * n));
  Word* keep = scratch.data();       // ones where the background's value stays
  Word* taken = scratch.data() + n;  // the explained row's values, elsewhere zero
  std::int32_t last_row = -1, last_mask = -1;
  for (std::int64_t i = begin; i < end; ++i) {
    if (task.row[i] != last_row || task.mask[i] != last_mask) {
      last_row = task.row[i];
      last_mask = task.mask[i];
      const Word* x = static_cast<const Word*>(task.X) + last_row * n;
      const std::uint8_t* mask = task.masks + last_mask * n;
      for (std::int64_t j = 0; j < n; ++j) {
        keep[j] = static_cast<Word>(mask[j] - 1);
        taken[j] = static_cast<Word>(x[j] & static_cast<Word>(~keep[j]));
      }
    }
    const Word* b = static_cast<const Word*>(task.background) + task.background_row[i] * n;
    Word* out = static_cast<Word*>(task.out) + i * n;
    for (std::int64_t j = 0; j < n; ++j) out[j] = static_cast<Word>((b[j] & keep[j]) | taken[j]);
  }
}

template <class Word>
void fill(const MaskingTask& task, int n_threads) {
  const std::int64_t block =
      std::max<std::int64_t>(1, kBlockBytes / std::max<std::int64_t>(1, task.n_columns * task.item_bytes));
  std::vector<std::vector<Word>> scratch(static_cast<std::size_t>(std::max(1, n_threads)));
  parallel_for((task.n_out + block - 1) / block, n_threads, [&](std::int64_t index, int worker) {
    fill_block<Word>(task, index * block, std::min(task.n_out, (index + 1) * block), scratch[static_cast<std::size_t>(worker)]);
  });
}

}  // namespace

void fill_masked_rows(const MaskingTask& task, int n_threads) {
  switch (task.item_bytes) {
    case 1:
      return fill<std::uint8_t>(task, n_threads);
    case 2:
      return fill<std::uint16_t>(task, n_threads);
    case 4:
      return fill<std::uint32_t>(task, n_threads);
    default:
      return fill<std::uint64_t>(task, n_threads);
  }
}

std::int64_t distinct_masked_rows(const DistinctTask& task) {
  const std::int64_t n_players = task.n_players, n_background = task.n_background;
  // Keys of one background row at a time; as bits, so that a key of up to eight players is a single byte.
  const std::size_t n_bytes = static_cast<std::size_t>((n_players + 7) / 8);
  std::vector<std::unordered_map<std::string, std::int32_t>> seen(static_cast<std::size_t>(n_background));
  std::int64_t n_unique = 0;
  std::string key(n_bytes, '\0');
  for (std::int64_t m = 0; m < task.n_masks; ++m) {
    for (std::int64_t b = 0; b < n_background; ++b) {
      std::fill(key.begin(), key.end(), '\0');
      bool any = false, all = true;
      for (std::int64_t j = 0; j < n_players; ++j) {
        if (!task.differs[b * n_players + j]) continue;
        const bool in = task.masks[m * n_players + j] != 0;
        any |= in;
        all &= in;
        if (in) key[static_cast<std::size_t>(j / 8)] = static_cast<char>(key[static_cast<std::size_t>(j / 8)] | (1 << (j % 8)));
      }
      std::int32_t& target = task.input_of[m * n_background + b];
      if (!any) {
        target = static_cast<std::int32_t>(b);  // also where no player differs: the rows are the same
      } else if (all) {
        target = static_cast<std::int32_t>(n_background);
      } else {
        const auto [place, is_new] = seen[static_cast<std::size_t>(b)].try_emplace(key, static_cast<std::int32_t>(n_unique));
        if (is_new) {
          task.unique_mask[n_unique] = static_cast<std::int32_t>(m);
          task.unique_background[n_unique] = static_cast<std::int32_t>(b);
          ++n_unique;
        }
        target = static_cast<std::int32_t>(n_background + 1 + place->second);
      }
    }
  }
  return n_unique;
}

}  // namespace fastexplain
