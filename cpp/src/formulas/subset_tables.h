// Players in teams of a few; for each team, what its players contribute under every subset of them. A coalition then costs one
// look-up per team where it would cost one step per player.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "isa/kernels.h"

namespace fastexplain {

class SubsetPlan {
 public:
  SubsetPlan(const std::uint8_t* masks, std::int64_t n_masks, std::int64_t n_players, Combine combine)
      : kernels_(active_kernels().subsets), combine_(combine), n_players_(n_players) {
    // A team's table costs two writes for each of its 2^width entries, a coalition one read; a write takes as long as two
    // reads.
    std::int64_t best = -1;
    for (int width = 1; width <= 8; ++width) {
      const std::int64_t n = (n_players + width - 1) / width, cost = n * ((std::int64_t{4} << width) + n_masks);
      if (best >= 0 && cost >= best) continue;
      best = cost;
      width_ = width;
      n_teams_ = n;
    }
    subset_.resize(static_cast<std::size_t>(n_masks * n_teams_));
    for (std::int64_t m = 0; m < n_masks; ++m)
      for (std::int64_t i = 0; i < n_players; ++i) {
        std::uint8_t& subset = subset_[m * n_teams_ + i / width_];
        if (masks[m * n_players + i]) subset = static_cast<std::uint8_t>(subset | 1 << (i % width_));
      }
  }

  // Memory of one thread.
  struct Tables {
    explicit Tables(const SubsetPlan& plan)
        : entries(static_cast<std::size_t>(plan.n_teams_ << plan.width_) * kTermBatch),
          parts(static_cast<std::size_t>(plan.n_teams_)) {}

    std::vector<double> entries;       // (n_teams, 2^width, kTermBatch)
    std::vector<const double*> parts;  // of one coalition
    double terms[kTermBatch];
  };

  // Tables of one batch of terms, from (n_players, stride) numbers of the explained row and of a background row.
  void build(const double* row, const double* background, std::int64_t stride, Tables& tables) const {
    for (std::int64_t team = 0; team < n_teams_; ++team) {
      double* table = tables.entries.data() + (team << width_) * kTermBatch;
      std::fill(table, table + kTermBatch, combine_ == Combine::kMultiply ? 1.0 : 0.0);
      const std::int64_t begin = team * width_, end = std::min(n_players_, begin + width_);
      for (std::int64_t i = begin; i < end; ++i)
        kernels_.grow({combine_, table, std::int64_t{1} << (i - begin), row + i * stride, background + i * stride});
    }
  }

  // One coalition's terms, into tables.terms.
  void gather(std::int64_t mask, Tables& tables) const {
    const std::uint8_t* subsets = subset_.data() + mask * n_teams_;
    for (std::int64_t team = 0; team < n_teams_; ++team)
      tables.parts[team] = tables.entries.data() + ((team << width_) + subsets[team]) * kTermBatch;
    kernels_.gather({combine_, tables.parts.data(), n_teams_, tables.terms});
  }

 private:
  const SubsetKernels& kernels_;
  Combine combine_;
  std::int64_t n_players_, n_teams_ = 1;
  int width_ = 1;
  std::vector<std::uint8_t> subset_;  // (n_masks, n_teams)
};

}  // namespace fastexplain
