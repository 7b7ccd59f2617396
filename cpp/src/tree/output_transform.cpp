#include "tree/output_transform.h"

#include <cmath>
#include <utility>

namespace fastexplain {
namespace {

double logistic(double t) { return 1 / (1 + std::exp(-t)); }

// log(1 + exp(t))
double softplus(double t) { return std::fmax(t, 0) + std::log1p(std::exp(-std::fabs(t))); }

// In forms that lose no digits where a and b are close.
double logistic_quotient(double a, double b) {
  if (a < b) std::swap(a, b);
  const double difference = a - b, slope = logistic(a) * logistic(-b);
  return difference > 0 ? slope * -std::expm1(-difference) / difference : slope;
}

double softplus_quotient(double a, double b) {
  if (a < b) std::swap(a, b);
  const double difference = a - b;
  if (difference == 0) return logistic(a);
  if (difference > 1) return (softplus(a) - softplus(b)) / difference;
  return -std::log1p(logistic(a) * std::expm1(-difference)) / difference;
}

}  // namespace

double rescaling(const OutputTransform& transform, double margin, double other, double label) {
  const double slope = transform.slope;
  switch (transform.kind) {
    case OutputTransform::Kind::kProbability:
      return slope * logistic_quotient(slope * margin, slope * other);
    case OutputTransform::Kind::kLogLoss:
      return slope * (softplus_quotient(slope * margin, slope * other) - label);
    default:
      return (margin - label) + (other - label);
  }
}

}  // namespace fastexplain
