// Blocks of random numbers; compiled once per instruction set, see kernels.h for what such files may include.
#pragma once

#include <cstdint>

namespace fastexplain {

struct RandomTask {
  std::uint32_t key[2];
  std::uint32_t counter[4];  // of the first block; the next ones raise its first number, which wraps around
  std::int64_t n_blocks;
  std::uint32_t* out;  // 4 numbers a block
};

struct RandomKernels {
  void (*fill)(const RandomTask&);  // what philox4x32 of random.h gives
};

}  // namespace fastexplain
