// DeepLIFT's rescale rule for networks of dense layers, averaged over background rows.
//
// Shrikumar et al. 2017, section 3.5.2: a unit's multiplier is the change of its value over the change of its pre-activation
// between a row and a background row. The kernel knows no activation functions: their values and slopes come as arrays.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "fastexplain/parallel.h"

namespace fastexplain {

// How a layer's multipliers are found. The slope stands in for the quotient where the change is below the row's threshold.
enum class UnitRule : std::int32_t {
  kSmooth = 0,      // slope below the threshold
  kKinkAtZero = 1,  // the same, unless the two pre-activations lie on different sides of 0
  kPiecewise = 2,   // as kSmooth; the caller's thresholds are 0, so that only equal pre-activations take the slope
  kIdentity = 3,    // multiplier 1
  kSoftmax = 4,     // last layer only: the whole layer at once, see deep_lift.cpp
};

// One dense layer: weight is (n_in, n_out), C order.
struct DenseLayerView {
  const double* weight;
  std::int64_t n_in;
  std::int64_t n_out;
  UnitRule rule;
};

// What the forward pass left, C order, (n_rows, DeepLift::stride()): layers side by side, each padded with zeros to a multiple
// of DeepLift::kPad units. For a softmax layer: preactivations less their mean over the units, and logarithms as values.
struct ActivationsView {
  const double* preactivations;
  const double* values;
  const double* slopes;
  const double* thresholds;  // rows only; null for the background
  const double* features;    // (n_rows, n_features padded likewise)
  std::int64_t n_rows;
};

// A network ready for the kernel: weights packed once. Immutable; safe to use from several threads.
class DeepLift {
 public:
  static constexpr std::int64_t kPad = 8;

  explicit DeepLift(const std::vector<DenseLayerView>& layers);
  ~DeepLift();

  std::int64_t stride() const;  // columns of an array of activations
  std::int64_t n_features() const;
  std::int64_t n_outputs() const;

  // values: (rows.n_rows, n_features, n_outputs), every entry written; weights: one for each background row, summing to 1.
  // The result's bits depend on neither n_threads nor the other rows nor the instruction set. Memory beyond values: under
  // 1 MB per thread, more only where one background row's layers need it. Throws what check throws, and std::bad_alloc.
  void explain(const ActivationsView& rows, const ActivationsView& background, const double* weights, double* values,
               int n_threads, const InterruptCheck& check = {}) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fastexplain
