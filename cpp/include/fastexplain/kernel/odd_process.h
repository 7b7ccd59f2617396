// The Gaussian process over odd set functions (fastexplain/engine/kernel/odd_gp.py has the algebra), solved for few games on
// few coalitions: the choice of its hyper-parameters, and the values under it. One thread; everything by elimination in one
// bordered matrix, whose order of operations does not depend on the instruction set.
#pragma once

#include <cstdint>

namespace fastexplain {

// What was observed: the coalitions, as signs, of which the last is the full one, and what is left of each game's odd part
// there when a linear game is taken off (any: only rounding depends on it).
struct OddData {
  const double* signs = nullptr;  // (n_points, n_players): +1 for players in S, -1 for the others
  std::int64_t n_points = 0;
  std::int64_t n_players = 0;
  const double* left = nullptr;  // (n_points, n_games)
  std::int64_t n_games = 0;
};

// The prior of orders 3, 5, ...; the linear part is free.
struct OddPrior {
  const double* rho = nullptr;  // (n_players,), each in (-1, 1)
  double scale = 1.0;           // of the covariance
  double full_noise = 0.0;      // added to the variance of the full coalition, and as much as it takes for a factor to exist
};

// A place in the grid of priors, by number.
struct OddPlace {
  std::int64_t power = 0, strength = 0, nugget = 0;
};

// The prior of the largest restricted likelihood (REML, the scale of each game profiled out) among those with
// rho = strength * relevance^power, times what keeps the sum of rho within most_players * strength. Strengths, then nuggets,
// are climbed for one power after the other, from where the strengths sum to what the best so far has; or from `start`, of its
// power alone. Needs n_points > n_players.
struct OddTuneTask {
  OddData data;
  const double* relevance = nullptr;  // (n_players,): the largest is 1
  const double* powers = nullptr;     // (n_powers,)
  std::int64_t n_powers = 0;
  const double* strengths = nullptr;  // (n_strengths,), rising; at least three
  std::int64_t n_strengths = 0;
  const double* nuggets = nullptr;  // (n_nuggets,), rising; at least two: variances added to all but the full coalition's
  std::int64_t n_nuggets = 0;
  double full_noise = 0.0;
  double most_players = 0.0;
  const OddPlace* start = nullptr;  // or null
};

OddPlace odd_tune(const OddTuneTask& task);

// Universal kriging.
struct OddFitTask {
  OddData data;
  OddPrior prior;
  double nugget = 0.0;
  const double* points = nullptr;   // (n_quadrature,): a quadrature rule on [0, 1]
  const double* weights = nullptr;  // (n_quadrature,)
  std::int64_t n_quadrature = 0;
  double* values = nullptr;    // (n_players, n_games): Shapley values of what was left
  double* variance = nullptr;  // (n_players,): posterior variance of a value, in units of the game's
  double* spread = nullptr;    // (n_games,): squares of what the linear part leaves, whitened and summed: the game's variance
  double* residual = nullptr;  // (n_points - 1, n_games): what the process leaves, at all but the full coalition
};

void odd_fit(const OddFitTask& task);

}  // namespace fastexplain
