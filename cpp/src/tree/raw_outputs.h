// Sums of a forest's trees for encoded rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "fastexplain/tree/forest.h"
#include "tree/background_tree.h"
#include "tree/encoding.h"

namespace fastexplain {

class RawOutputs {
 public:
  RawOutputs(const ForestView& forest, std::shared_ptr<const Encoding> encoding, int n_threads);

  // Writes the outputs of the first n_rows rows of an encoded tile, [row][output].
  void predict(const void* tile, int n_rows, double* outputs) const;

  std::size_t memory() const;

 private:
  std::shared_ptr<const Encoding> encoding_;
  std::vector<BackgroundTree> trees_;
  std::vector<double> constant_;  // [output]: of the trees that are one leaf
};

}  // namespace fastexplain
