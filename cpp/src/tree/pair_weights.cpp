#include "tree/pair_weights.h"

#include "tree/output_transform.h"

namespace fastexplain {

void PairWeights::weigh(std::int64_t row, double margin, double* to, std::size_t stride) const {
  const double label = transform_.labels == nullptr ? 0 : transform_.labels[row];
  for (std::size_t other = 0; other < others_.size(); ++other)
    to[other * stride] =
        weights_[other] * rescaling(transform_, margin + transform_.offset, others_[other] + transform_.offset, label);
}

}  // namespace fastexplain
