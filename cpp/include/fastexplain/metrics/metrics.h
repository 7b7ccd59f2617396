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

// y: (n, c); out: (m, n, c), loss of every row and target. alpha: level of the pinball loss.
void row_losses(RowLoss loss, const double* y, const Stack& predictions, double alpha, double* out, int n_threads,
                const InterruptCheck& check);

// codes: (n,) class of each row; predictions: probabilities; out: (m, n).
void class_losses(ClassLoss loss, const std::int32_t* codes, const Stack& predictions, double* out, int n_threads,
                  const InterruptCheck& check);

// out: (m, n) column of the largest entry, the first one among equals.
void argmax(const Stack& predictions, std::int32_t* out, int n_threads, const InterruptCheck& check);

// predicted: (m, n) codes in 0 .. n_classes - 1; out: (m, n_classes, n_classes) weight of (true, predicted).
void confusion(const std::int32_t* codes, const std::int32_t* predicted, std::int64_t m, std::int64_t n, std::int64_t n_classes,
               const double* weights, double* out, int n_threads, const InterruptCheck& check);

// Area under the ROC curve of scores (m, n) against positive (n,), ties counted half; nan where a class has no weight.
// placements (m, n): weighted share of the other class that the row is on the right side of (DeLong et al. 1988).
void roc_auc(const std::uint8_t* positive, const double* scores, std::int64_t m, std::int64_t n, const double* weights,
             double* area, double* placements, int n_threads, const InterruptCheck& check);

// Average precision, sum of precision times step of recall over the distinct scores, from the highest.
void average_precision(const std::uint8_t* positive, const double* scores, std::int64_t m, std::int64_t n,
                       const double* weights, double* out, int n_threads, const InterruptCheck& check);

// Discounted gain of each row's c items by their scores, ties averaged (McSherry and Najork 2008); out: (m, n).
// gains: (n, c); n_best: items that count, 0 for all. Without ties the gain is not averaged over equal scores.
void discounted_gain(const double* gains, const Stack& scores, std::int64_t n_best, bool ignore_ties, double log_base,
                     double* out, int n_threads, const InterruptCheck& check);

}  // namespace fastexplain
