// Steps over subsets of players that are compiled once per instruction set; see kernels.h for what such files may include.
#pragma once

#include <cstdint>

#include "octet.h"

namespace fastexplain {

inline constexpr std::int64_t kTermBatch = 64;  // terms that are worked on together; a multiple of kOctet

enum class Combine : std::int32_t { kMultiply, kAdd };

// One player joins a team's table: the entries (size, kTermBatch) become (2 size, kTermBatch), first those of the subsets
// without the player, then those with.
struct GrowTask {
  Combine combine;
  double* table;
  std::int64_t size;
  const double *taken, *hidden;  // the player's numbers in the explained row and in the background row, (kTermBatch)
};

// out[t] = parts[0][t] combined with parts[1][t] ...
struct GatherTask {
  Combine combine;
  const double* const* parts;
  std::int64_t n_parts;
  double* out;  // (kTermBatch)
};

// Sum of terms[t] * coefficients[t], by octets.
struct DotTask {
  const double *terms, *coefficients;
};

struct SubsetKernels {
  void (*grow)(const GrowTask&);
  void (*gather)(const GatherTask&);
  double (*dot)(const DotTask&);
};

}  // namespace fastexplain
