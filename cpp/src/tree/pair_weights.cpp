#include "tree/pair_weights.h"

#include "tree/output_transform.h"

namespace fastexplain {

double PairWeights::of_pair(std::int64_t row, double margin, std::int64_t other) const {
  const double label = transform_.labels == nullptr ? 0 : transform_.labels[row], offset = transform_.offset;
  return weights_[other] * rescaling(transform_, margin + offset, others_[other] + offset, label);
}

}  // namespace fastexplain
