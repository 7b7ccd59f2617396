// For each background row, and batch of 64 training rows: tables of distances (subset_tables.h), then for each coalition the
// batch's 64 distances, of which those below the worst of the k best so far are put in their place. Threads share background
// rows.
#include "fastexplain/formulas/neighbors.h"

#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "formulas/subset_tables.h"

namespace fastexplain {
namespace {

static_assert(kTrainPad == kTermBatch);

struct Neighbor {
  double distance;
  std::int64_t index;
};

// Memory of one thread.
struct Scratch {
  std::optional<SubsetPlan::Tables> tables;
  std::vector<Neighbor> nearest;  // (n_masks, n_neighbors), nearest first
  std::vector<double> weights;
};

void insert(Neighbor* nearest, std::int64_t k, Neighbor candidate) {
  std::int64_t place = k - 1;
  for (; place > 0 && candidate.distance < nearest[place - 1].distance; --place) nearest[place] = nearest[place - 1];
  nearest[place] = candidate;
}

void search_batch(const NeighborsTask& task, const SubsetPlan& plan, std::int64_t first, Scratch& scratch) {
  const std::int64_t k = task.n_neighbors;
  for (std::int64_t m = 0; m < task.n_masks; ++m) {
    plan.gather(m, *scratch.tables);
    const double* values = scratch.tables->terms;
    Neighbor* nearest = scratch.nearest.data() + m * k;
    for (std::int64_t begin = 0; begin < kTermBatch; begin += 8) {
      const double worst = nearest[k - 1].distance;
      int nearer = 0;  // most often none of the eight is: one vector comparison
      for (std::int64_t j = 0; j < 8; ++j) nearer |= values[begin + j] < worst;
      if (!nearer) continue;
      for (std::int64_t j = begin; j < begin + 8; ++j)
        if (values[j] < nearest[k - 1].distance) insert(nearest, k, {values[j], first + j});
    }
  }
}

void average(const NeighborsTask& task, const Neighbor* nearest, std::vector<double>& weights, double* out) {
  const std::int64_t k = task.n_neighbors;
  const bool exact = nearest[0].distance == 0;
  double total = 0;
  for (std::int64_t i = 0; i < k; ++i) {
    const double d = nearest[i].distance;
    if (!task.by_distance)
      weights[i] = 1;
    else if (exact)
      weights[i] = d == 0 ? 1 : 0;
    else
      weights[i] = 1 / (task.power == 2 ? std::sqrt(d) : task.power == 1 ? d : std::pow(d, 1 / task.power));
    total += weights[i];
  }
  for (std::int64_t o = 0; o < task.n_outputs; ++o) {
    double sum = 0;
    for (std::int64_t i = 0; i < k; ++i) sum += weights[i] * task.targets[nearest[i].index * task.n_outputs + o];
    out[o] = sum / total;
  }
}

}  // namespace

void average_neighbors(const NeighborsTask& task, int n_threads, const InterruptCheck& check) {
  const SubsetPlan plan(task.masks, task.n_masks, task.n_players, Combine::kAdd);
  std::vector<Scratch> scratch(static_cast<std::size_t>(n_threads));
  parallel_for(
      task.n_background, n_threads,
      [&](std::int64_t b, int worker) {
        Scratch& mine = scratch[static_cast<std::size_t>(worker)];
        if (!mine.tables) mine.tables.emplace(plan);
        mine.weights.resize(static_cast<std::size_t>(task.n_neighbors));
        mine.nearest.assign(static_cast<std::size_t>(task.n_masks * task.n_neighbors),
                            {std::numeric_limits<double>::infinity(), 0});
        const double* background = task.background + b * task.n_players * task.n_train;
        for (std::int64_t first = 0; first < task.n_train; first += kTermBatch) {
          checkpoint();
          plan.build(task.row + first, background + first, task.n_train, *mine.tables);
          search_batch(task, plan, first, mine);
        }
        for (std::int64_t m = 0; m < task.n_masks; ++m)
          average(task, mine.nearest.data() + m * task.n_neighbors, mine.weights,
                  task.out + (b * task.n_masks + m) * task.n_outputs);
      },
      check);
}

}  // namespace fastexplain
