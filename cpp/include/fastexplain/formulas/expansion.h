// Models that end in a weighted sum over terms (support vectors, hidden units) on every coalition and background row, without
// building the masked rows: f_k(S, b) = sum_j c_kj t(S, b, j), where t combines one number per player and term, taken from the
// explained row for the players in S and from background row b for the others.
#pragma once

#include <cstdint>

#include "fastexplain/parallel.h"

namespace fastexplain {

// How the players' numbers become a term.
enum class TermKind : std::int32_t {
  kProduct = 0,  // their product: an RBF kernel, whose factors are exp(-gamma (z - s)^2)
  kRectified,    // max(0, their sum): a hidden unit
  kPower,        // (their sum)^degree: a polynomial kernel
  kTanh,         // tanh(their sum): a sigmoid kernel, or a hidden unit
};

// Borrowed, C order. n_terms is a multiple of kTermPad; coefficients of padding are 0 and its other entries finite.
struct ExpansionTask {
  TermKind kind;
  int degree;                  // of kPower, 1 .. kMaxDegree
  const double* row;           // (n_players, n_terms)
  const double* background;    // (n_background, n_players, n_terms)
  const double* coefficients;  // (n_outputs, n_terms)
  const std::uint8_t* masks;   // (n_masks, n_players): 1 takes the explained row's number
  std::int64_t n_players, n_terms, n_background, n_masks, n_outputs;
  double* out;  // (n_background, n_masks, n_outputs)
};

inline constexpr std::int64_t kTermPad = 64;
// Powers are taken one factor at a time: beyond this a call would seem to hang, and no double has so many powers.
inline constexpr int kMaxDegree = 10000;

void expand(const ExpansionTask& task, int n_threads, const InterruptCheck& check = {});

// Probabilities of a support vector classifier from its one-versus-one decisions: Platt's sigmoids, then pairwise coupling
// (Wu, Lin and Weng 2004, Algorithm 2) as far as libsvm iterates it, also for two classes.
struct CouplingTask {
  const double* decisions = nullptr;  // (n_rows, n_classes (n_classes - 1) / 2): pairs in the order (0, 1), (0, 2) ...
  const double* slope = nullptr;      // one per pair, for 1 / (1 + exp(slope f + shift))
  const double* shift = nullptr;      // one per pair
  std::int64_t n_rows = 0;
  std::int64_t n_classes = 0;  // at least 2
  double* out = nullptr;       // (n_rows, n_classes)
};

void couple_probabilities(const CouplingTask& task, int n_threads, const InterruptCheck& check = {});

}  // namespace fastexplain
