// k nearest neighbours of every masked row, without building the rows: distances are sums over players.
#pragma once

#include <cstdint>

#include "fastexplain/parallel.h"

namespace fastexplain {

// Borrowed, C order. n_train is a multiple of kTrainPad; padding rows have infinite distances.
struct NeighborsTask {
  const double* row;          // (n_players, n_train): share of each player in the distance to each training row, to the power p
  const double* background;   // (n_background, n_players, n_train)
  const double* targets;      // (n_train, n_outputs)
  const std::uint8_t* masks;  // (n_masks, n_players): 1 takes the explained row's share
  std::int64_t n_players, n_train, n_background, n_masks, n_outputs;
  std::int64_t n_neighbors;  // at most the number of real training rows
  double power;              // p of the Minkowski distance
  bool by_distance;          // neighbours weigh 1 / distance; those at distance 0, if any, share all the weight
  double* out;               // (n_background, n_masks, n_outputs): weighted means of the targets
};

inline constexpr std::int64_t kTrainPad = 64;

// Of equally distant training rows the first are taken.
void average_neighbors(const NeighborsTask& task, int n_threads, const InterruptCheck& check = {});

}  // namespace fastexplain
