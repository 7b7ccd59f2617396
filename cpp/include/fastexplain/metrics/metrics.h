// Metrics of many stacked predictions of the same rows at once: one task per prediction vector.
//
// Each kernel writes what every row contributes, so that scores, their standard errors and per-row contributions come from one
// pass. n: rows, m: prediction vectors, c: columns of a prediction (targets or classes).
#pragma once

#include <cstdint>

#include "fastexplain/parallel.h"

namespace fastexplain {

enum class RowLoss { kSquared, kAbsolute, kSquaredLog, kAbsolutePercentage, kPinball, kPoisson, kGamma };
enum class ClassLoss { kLog, kBrier };

struct Stack {
  const double* data = nullptr;  // (m, n, c)
  std::int64_t m = 0, n = 0, c = 0;
};

struct RowLossTask {
  RowLoss loss = RowLoss::kSquared;
  const double* y = nullptr;  // (n, c)
  Stack predictions;
  double alpha = 0.5;     // level of the pinball loss
  double* out = nullptr;  // (m, n, c): loss of every row and target
};

void row_losses(const RowLossTask& task, int n_threads, const InterruptCheck& check);

struct ClassLossTask {
  ClassLoss loss = ClassLoss::kLog;
  const std::int32_t* codes = nullptr;  // (n,): class of each row, in 0 .. c - 1
  Stack predictions;                    // probabilities
  double* out = nullptr;                // (m, n)
};

void class_losses(const ClassLossTask& task, int n_threads, const InterruptCheck& check);

// out: (m, n) column of the largest entry, the first one among equals; predictions have a column.
void argmax(const Stack& predictions, std::int32_t* out, int n_threads, const InterruptCheck& check);

struct ConfusionTask {
  const std::int32_t* codes = nullptr;      // (n,): in 0 .. n_classes - 1
  const std::int32_t* predicted = nullptr;  // (m, n): in 0 .. n_classes - 1
  const double* weights = nullptr;          // (n,)
  std::int64_t m = 0, n = 0, n_classes = 0;
  double* out = nullptr;  // (m, n_classes, n_classes): weight of (true, predicted)
};

void confusion(const ConfusionTask& task, int n_threads, const InterruptCheck& check);

// Scores of two classes.
struct RankingView {
  const std::uint8_t* positive = nullptr;  // (n,): 0 or 1
  const double* scores = nullptr;          // (m, n), no NaN
  const double* weights = nullptr;         // (n,)
  std::int64_t m = 0, n = 0;
};

// Area (m,) under the ROC curve, ties counted half; nan where a class has no weight.
// placements (m, n): weighted share of the other class that the row is on the right side of (DeLong et al. 1988).
void roc_auc(const RankingView& ranking, double* area, double* placements, int n_threads, const InterruptCheck& check);

// Average precision (m,), sum of precision times step of recall over the distinct scores, from the highest.
void average_precision(const RankingView& ranking, double* out, int n_threads, const InterruptCheck& check);

struct GainTask {
  const double* gains = nullptr;  // (n, c)
  Stack scores;                   // no NaN
  std::int64_t n_best = 0;        // items that count, 0 for all
  bool ignore_ties = false;       // the gain is then not averaged over equal scores
  double log_base = 2.0;
  double* out = nullptr;  // (m, n)
};

// Discounted gain of each row's c items by their scores, ties averaged (McSherry and Najork 2008).
void discounted_gain(const GainTask& task, int n_threads, const InterruptCheck& check);

}  // namespace fastexplain
