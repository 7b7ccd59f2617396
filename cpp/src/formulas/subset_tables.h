// Players in teams of a few; for each team, what its players contribute under every subset of them. A coalition then costs one
// look-up per team where it would cost one step per player.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "aligned_buffer.h"
#include "isa/kernels.h"

namespace fastexplain {

class SubsetPlan {
 public:
  // batch: terms that are worked on together
  SubsetPlan(const std::uint8_t* masks, std::int64_t n_masks, std::int64_t n_players, Combine combine,
             std::int64_t batch = kTermBatch)
      : kernels_(active_kernels().subsets), combine_(combine), batch_(batch), n_players_(n_players) {
    // A team's table costs two writes for each of its 2^width entries, a coalition one read; a write takes as long as two
    // reads, and a read from tables that leave the first level of the cache half as long again.
    std::int64_t best = -1;
    for (int width = 1; width <= 8; ++width) {
      const std::int64_t n = (n_players + width - 1) / width, bytes = (n << width) * batch * 8;
      const std::int64_t cost = n * ((std::int64_t{4} << width) + n_masks) * (bytes > kNearBytes ? 3 : 2);
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
        : entries(static_cast<std::size_t>((plan.n_teams_ << plan.width_) * plan.batch_)),
          parts(static_cast<std::size_t>(plan.n_teams_)) {}

    AlignedBuffer<double> entries;     // (n_teams, 2^width, batch)
    std::vector<const double*> parts;  // of one coalition
    double terms[kTermBatch];
  };

  // Tables of one batch of terms, from (n_players, stride) numbers of the explained row and of a background row.
  void build(const double* row, const double* background, std::int64_t stride, Tables& tables) const {
    for (std::int64_t team = 0; team < n_teams_; ++team) {
      double* table = tables.entries.get() + (team << width_) * batch_;
      std::fill(table, table + batch_, combine_ == Combine::kMultiply ? 1.0 : 0.0);
      const std::int64_t begin = team * width_, end = std::min(n_players_, begin + width_);
      for (std::int64_t i = begin; i < end; ++i)
        kernels_.grow({combine_, table, std::int64_t{1} << (i - begin), batch_, row + i * stride, background + i * stride});
    }
  }

  // Where in a batch's entries the numbers of each team lie for each coalition: (n_masks, n_teams).
  std::vector<std::uint32_t> offsets() const {
    std::vector<std::uint32_t> found(subset_.size());
    for (std::size_t i = 0; i < found.size(); ++i)
      found[i] = static_cast<std::uint32_t>((((static_cast<std::int64_t>(i) % n_teams_) << width_) + subset_[i]) * batch_);
    return found;
  }
  std::int64_t n_teams() const { return n_teams_; }

  // One coalition's terms, into tables.terms; for batches of kTermBatch.
  void gather(std::int64_t mask, Tables& tables) const {
    const std::uint8_t* subsets = subset_.data() + mask * n_teams_;
    for (std::int64_t team = 0; team < n_teams_; ++team)
      tables.parts[team] = tables.entries.get() + ((team << width_) + subsets[team]) * kTermBatch;
    kernels_.gather({combine_, tables.parts.data(), n_teams_, tables.terms});
  }

 private:
  static constexpr std::int64_t kNearBytes = 32768;

  const SubsetKernels& kernels_;
  Combine combine_;
  std::int64_t batch_, n_players_, n_teams_ = 1;
  int width_ = 1;
  std::vector<std::uint8_t> subset_;  // (n_masks, n_teams)
};

}  // namespace fastexplain
