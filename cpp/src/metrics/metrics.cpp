#include "fastexplain/metrics/metrics.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

namespace fastexplain {
namespace {

// sklearn clips probabilities by the machine epsilon of their type; ours are double.
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
// Below this a comparison sort is quicker than six passes of counting.
constexpr std::int64_t kRadixRows = 512;
// Up to here insertion is quicker still.
constexpr std::int64_t kInsertedRows = 24;

template <class Loss>
void each_value(const double* y, const Stack& p, double* out, int n_threads, const InterruptCheck& check, Loss loss) {
  const std::int64_t size = p.n * p.c;
  parallel_for(
      p.m, n_threads,
      [&](std::int64_t v, int) {
        const double* from = p.data + v * size;
        double* to = out + v * size;
        for (std::int64_t i = 0; i < size; ++i) to[i] = loss(y[i], from[i]);
      },
      check);
}

// Order of scores, ascending; of equal ones by their number. Doubles are mapped to integers of the same order. Two passes of
// counting sort them by where they lie between the lowest and the highest, to one part in 2^22; the few that share such a
// part are put in order by comparing.
struct Sorter {
  std::vector<std::uint64_t> keys, entries, other;  // entries: part above, number below
  std::vector<std::int32_t> order;
  std::vector<std::uint32_t> counts;

  static std::uint64_t key_of(double score) {
    const auto bits = std::bit_cast<std::uint64_t>(score == 0.0 ? 0.0 : score);  // -0 and 0 are equal scores
    return (bits >> 63) ? ~bits : bits | (1ull << 63);
  }

  void sort(const double* scores, std::int64_t n) {
    order.resize(n);
    keys.resize(n);
    std::uint64_t lowest = ~std::uint64_t{0}, highest = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      keys[i] = key_of(scores[i]);
      lowest = std::min(lowest, keys[i]);
      highest = std::max(highest, keys[i]);
    }
    if (n < kRadixRows) {
      std::iota(order.begin(), order.end(), 0);
      sort_some(0, n);
      return;
    }
    constexpr int kBits = 11, kSize = 1 << kBits;
    const int shift = std::max(0, static_cast<int>(std::bit_width(highest - lowest)) - 2 * kBits);
    counts.assign(2 * kSize, 0);
    entries.resize(n);
    other.resize(n);
    for (std::int64_t i = 0; i < n; ++i) {
      const std::uint64_t part = (keys[i] - lowest) >> shift;
      entries[i] = part << 32 | static_cast<std::uint64_t>(i);
      ++counts[part & (kSize - 1)];
      ++counts[kSize + (part >> kBits)];
    }
    for (int pass = 0; pass < 2; ++pass) {
      std::uint32_t* count = counts.data() + pass * kSize;
      std::uint32_t before = 0;
      for (int d = 0; d < kSize; ++d) before += std::exchange(count[d], before);
      for (const std::uint64_t entry : entries) other[count[(entry >> (32 + kBits * pass)) & (kSize - 1)]++] = entry;
      entries.swap(other);
    }
    for (std::int64_t q = 0; q < n; ++q) order[q] = static_cast<std::int32_t>(entries[q]);
    if (shift == 0) return;
    for (std::int64_t begin = 0, end = 0; begin < n; begin = end) {
      for (end = begin + 1; end < n && entries[end] >> 32 == entries[begin] >> 32;) ++end;
      if (end > begin + 1) sort_some(begin, end);
    }
  }

 private:
  // Entries come by number, which ties keep.
  void sort_some(std::int64_t begin, std::int64_t end) {
    const auto less = [this](std::int32_t a, std::int32_t b) { return keys[a] != keys[b] ? keys[a] < keys[b] : a < b; };
    if (end - begin > kInsertedRows) {
      if (!std::is_sorted(order.begin() + begin, order.begin() + end, less))
        std::sort(order.begin() + begin, order.begin() + end, less);
      return;
    }
    for (std::int64_t q = begin + 1; q < end; ++q) {
      const std::int32_t row = order[q];
      std::int64_t to = q;
      for (; to > begin && keys[order[to - 1]] > keys[row]; --to) order[to] = order[to - 1];
      order[to] = row;
    }
  }
};

// One past the last place whose score equals that of place `begin`.
std::int64_t end_of_tie(const double* scores, const std::vector<std::int32_t>& order, std::int64_t begin) {
  const auto n = static_cast<std::int64_t>(order.size());
  std::int64_t end = begin + 1;
  while (end < n && scores[order[end]] == scores[order[begin]]) ++end;
  return end;
}

}  // namespace

void row_losses(RowLoss loss, const double* y, const Stack& p, double* out, int n_threads, const InterruptCheck& check) {
  switch (loss) {
    case RowLoss::kSquared:
      return each_value(y, p, out, n_threads, check, [](double t, double f) { return (t - f) * (t - f); });
    case RowLoss::kAbsolute:
      return each_value(y, p, out, n_threads, check, [](double t, double f) { return std::abs(t - f); });
  }
}

void log_losses(const std::int32_t* codes, const Stack& p, double* out, int n_threads, const InterruptCheck& check) {
  parallel_for(
      p.m, n_threads,
      [&](std::int64_t v, int) {
        for (std::int64_t i = 0; i < p.n; ++i) {
          const double probability = p.data[(v * p.n + i) * p.c + codes[i]];
          out[v * p.n + i] = -std::log(std::clamp(probability, kEpsilon, 1 - kEpsilon));
        }
      },
      check);
}

void argmax(const Stack& p, std::int32_t* out, int n_threads, const InterruptCheck& check) {
  parallel_for(
      p.m, n_threads,
      [&](std::int64_t v, int) {
        for (std::int64_t i = 0; i < p.n; ++i) {
          const double* row = p.data + (v * p.n + i) * p.c;
          std::int32_t best = 0;
          for (std::int64_t k = 1; k < p.c; ++k)
            if (row[k] > row[best]) best = static_cast<std::int32_t>(k);
          out[v * p.n + i] = best;
        }
      },
      check);
}

void confusion(const ConfusionTask& task, int n_threads, const InterruptCheck& check) {
  const std::int64_t n = task.n, n_classes = task.n_classes;
  parallel_for(
      task.m, n_threads,
      [&](std::int64_t v, int) {
        const std::int32_t *codes = task.codes, *predicted = task.predicted + v * n;
        const double* weights = task.weights;
        double* table = task.out + v * n_classes * n_classes;
        std::fill(table, table + n_classes * n_classes, 0.0);
        for (std::int64_t i = 0; i < n; ++i) table[codes[i] * n_classes + predicted[i]] += weights[i];
      },
      check);
}

namespace {

// The area under the curve of one prediction, and where each row stands among those of the other class.
class Ranking {
 public:
  Ranking(const RankingTask& task, const double* total, const double* scores, const std::vector<std::int32_t>& order,
          double* placements)
      : task_(task), total_{total[0], total[1]}, scores_(scores), order_(order), placements_(placements) {}

  double area() {
    const std::int64_t n = task_.n;
    for (std::int64_t begin = 0, end = 0; begin < n; begin = end) {
      end = end_of_tie(scores_, order_, begin);
      if (end == begin + 1)
        place_one(order_[begin]);
      else
        place_tie(begin, end);
    }
    return sum_ / (total_[0] * total_[1]);
  }

 private:
  // Without a branch on the class, which nobody can foretell.
  void place_one(std::int32_t i) {
    const bool positive = task_.positive[i] != 0;
    const double weight = task_.weights[i];
    const double tied[2] = {positive ? 0.0 : weight, positive ? weight : 0.0};
    const double lower = this->lower(tied), upper = this->upper(tied);
    placements_[i] = (positive ? lower : upper) / (positive ? total_[0] : total_[1]);
    pass(tied, lower);
  }

  void place_tie(std::int64_t begin, std::int64_t end) {
    double tied[2] = {0, 0};
    for (std::int64_t q = begin; q < end; ++q) tied[task_.positive[order_[q]]] += task_.weights[order_[q]];
    const double lower = this->lower(tied), upper = this->upper(tied);
    for (std::int64_t q = begin; q < end; ++q) {
      const std::int32_t i = order_[q];
      placements_[i] = task_.positive[i] ? lower / total_[0] : upper / total_[1];
    }
    pass(tied, lower);
  }

  // Negatives below a positive here, and positives above a negative here.
  double lower(const double* tied) const { return below_[0] + tied[0] / 2; }
  double upper(const double* tied) const { return total_[1] - below_[1] - tied[1] + tied[1] / 2; }

  void pass(const double* tied, double lower) {
    sum_ += tied[1] * lower;
    below_[0] += tied[0];
    below_[1] += tied[1];
  }

  const RankingTask& task_;
  const double total_[2];
  const double* scores_;
  const std::vector<std::int32_t>& order_;
  double* placements_;
  double below_[2] = {0, 0}, sum_ = 0;
};

}  // namespace

void roc_auc(const RankingTask& task, int n_threads, const InterruptCheck& check) {
  const std::int64_t n = task.n;
  double total[2] = {0, 0};
  for (std::int64_t i = 0; i < n; ++i) total[task.positive[i]] += task.weights[i];
  std::vector<Sorter> sorters(n_threads);
  parallel_for(
      task.m, n_threads,
      [&](std::int64_t v, int worker) {
        const double* scores = task.scores + v * n;
        sorters[worker].sort(scores, n);
        task.area[v] = Ranking(task, total, scores, sorters[worker].order, task.placements + v * n).area();
      },
      check);
}

}  // namespace fastexplain
