// Steps of the scorers that are compiled once per instruction set; see kernels.h for what such files may include.
#pragma once

#include <cstdint>

namespace fastexplain {

inline constexpr std::int64_t kTile = 64;  // terms that are worked on together

enum class Combine : std::int32_t { kMultiply, kAdd };

// One player joins a chunk's table: entries (size, kTile) become (2 size, kTile), those of subsets without and with the player.
struct GrowTask {
  Combine combine;
  double* table;
  std::int64_t size;
  const double *taken, *hidden;  // the player's numbers in the explained row and in the background row, (kTile)
};

// out[t] = parts[0][t] combined with parts[1][t] ...
struct GatherTask {
  Combine combine;
  const double* const* parts;
  std::int64_t n_parts;
  double* out;  // (kTile)
};

// Sum of terms[t] * coefficients[t], in eight lanes whatever the instruction set.
struct DotTask {
  const double *terms, *coefficients;
};

struct ScoreKernels {
  void (*grow)(const GrowTask&);
  void (*gather)(const GatherTask&);
  double (*dot)(const DotTask&);
};

// Of the instruction set in use (see active_kernels).
const ScoreKernels& active_score_kernels();

}  // namespace fastexplain
