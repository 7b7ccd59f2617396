#include "permutation/word_program.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace fastexplain {
namespace {

bool holds(const WordGroup& group, std::int32_t split) { return (group.holds[split / 64] >> (split % 64)) & 1; }

void add_holder(WordGroup& group, std::int32_t split) { group.holds[split / 64] |= std::uint64_t{1} << (split % 64); }

// Makes the groups of one tree.
class TreeGroups {
 public:
  TreeGroups(const ReplacementPlan& plan, const std::vector<std::uint8_t>& missing, WordTree& tree, WordProgram& out)
      : plan_(plan), missing_(missing), tree_(tree), splits_(out.splits.data() + tree.first_split), out_(out) {}

  void run() {
    tree_.first_group = static_cast<std::int32_t>(out_.groups.size());
    std::vector<std::pair<std::int32_t, std::int32_t>> by_player;  // player and split
    for (std::int32_t v = 0; v < tree_.n_splits; ++v) {
      splits_[v].group = splits_[v].member = -1;
      const std::int32_t player = plan_.feature_player[splits_[v].feature];
      if (player >= 0) by_player.emplace_back(player, v);
    }
    std::sort(by_player.begin(), by_player.end());
    for (std::size_t begin = 0, end = 0; begin < by_player.size(); begin = end) {
      end = begin;
      while (end < by_player.size() && by_player[end].first == by_player[begin].first) ++end;
      add_group(by_player.data() + begin, by_player.data() + end);
    }
    tree_.n_groups = static_cast<std::int32_t>(out_.groups.size()) - tree_.first_group;
  }

 private:
  using PlayerSplit = std::pair<std::int32_t, std::int32_t>;

  void add_group(const PlayerSplit* begin, const PlayerSplit* end) {
    WordGroup group{};
    number_ = static_cast<std::int32_t>(out_.groups.size()) - tree_.first_group;
    group.first_member = static_cast<std::int32_t>(out_.members.size());
    group.first_job = static_cast<std::int32_t>(plan_.job_offsets[begin->first]);
    group.n_jobs = static_cast<std::int32_t>(plan_.job_offsets[begin->first + 1]) - group.first_job;
    group.first_blend = static_cast<std::int32_t>(out_.blends.size());
    group.first_pass = static_cast<std::int32_t>(out_.passes.size());
    for (const PlayerSplit* at = begin; at != end; ++at) {
      const std::int32_t v = at->second;
      splits_[v].group = number_;
      splits_[v].member = group.n_members++;
      add_holder(group, v);
      out_.members.push_back({v, out_.value_at[splits_[v].feature], 0, {}, {}});
    }
    const bool nested = find_holders(group);
    if (nested && !of_one_order(group)) {
      group.walked = true;
    } else {
      group_ = &group;
      n_blends_ = n_passes_ = 0;
      group.walked = !find_jumps(kMaxWordLeaves, {0, false, kLowest, kHighest});
    }
    finish(group);
    out_.groups.push_back(group);
  }

  // From the leaves up: a split holds what its children hold. Returns whether a member holds another one.
  bool find_holders(WordGroup& group) const {
    bool nested = false;
    for (std::int32_t v = tree_.n_splits; v-- > 0;) {
      if (!child_holds(group, v)) continue;
      nested |= splits_[v].group == number_;
      add_holder(group, v);
    }
    return nested;
  }

  bool child_holds(const WordGroup& group, std::int32_t v) const {
    const std::int32_t* child = splits_[v].child;
    return (child[0] >= kMaxWordLeaves && holds(group, child[0] - kMaxWordLeaves)) ||
           (child[1] >= kMaxWordLeaves && holds(group, child[1] - kMaxWordLeaves));
  }

  // Whether all of a group's splits order what they compare, a missing value too, alike.
  bool of_one_order(const WordGroup& group) const {
    const WordMember* members = out_.members.data() + group.first_member;
    const WordSplit& first = splits_[members[0].split];
    for (std::int32_t q = 1; q < group.n_members; ++q) {
      const WordSplit& split = splits_[members[q].split];
      if (split.feature != first.feature || (split.add != first.add && missing_[first.feature])) return false;
    }
    return true;
  }

  static constexpr std::int32_t kLowest = -2, kHighest = std::numeric_limits<std::int32_t>::max();

  // Rows that come by a split whatever the feature's other splits, and cuts above it that bound the feature.
  struct Place {
    std::int32_t reach;
    bool below_member;
    std::int32_t low, high;
  };

  // Where each member below `child` jumps, and from what to what. False where a split does not part what comes by: the jump
  // at its cut is none.
  bool find_jumps(std::int32_t child, Place place) {
    const std::int32_t v = child - kMaxWordLeaves;
    if (v < 0 || !holds(*group_, v)) return true;
    const WordSplit& split = splits_[v];
    if (split.group == number_) {
      const std::int32_t cut = split.bound - split.add;
      if (cut <= place.low || cut >= place.high) return false;
      WordMember& member = out_.members[group_->first_member + split.member];
      member.reach = place.reach;
      member.above = extreme(split.child[0], false);
      member.below = extreme(split.child[1], true);
      return find_jumps(split.child[1], {place.reach, true, place.low, cut}) &&
             find_jumps(split.child[0], {place.reach, true, cut, place.high});
    }
    for (const bool left : {false, true}) {
      const std::int32_t below = split.child[left];
      if (below < kMaxWordLeaves || !holds(*group_, below - kMaxWordLeaves)) continue;
      Place there = place;
      there.reach = place.below_member ? add_pass(place.reach, v, left) : below - kMaxWordLeaves;
      if (!find_jumps(below, there)) return false;
    }
    return true;
  }

  std::int32_t add_pass(std::int32_t from, std::int32_t split, bool left) {
    const std::int32_t to = tree_.n_splits + n_passes_++;
    out_.passes.push_back({from, split, to, left ? 0 : ~std::uint64_t{0}});
    return to;
  }

  // Value below `child` where the feature is lower than all cuts there, or higher.
  WordValue extreme(std::int32_t child, bool high) {
    const std::int32_t v = child - kMaxWordLeaves;
    if (v < 0 || !holds(*group_, v)) return value_of_child(child);
    const WordSplit& split = splits_[v];
    if (split.group == number_) return extreme(split.child[high ? 0 : 1], high);
    const WordValue right = extreme(split.child[0], high), left = extreme(split.child[1], high);
    const std::int32_t to = tree_.n_splits + n_blends_++;
    out_.blends.push_back({v, {right, left}, to});
    return value_of_split(to);
  }

  void finish(WordGroup& group) {
    if (group.walked) {
      out_.blends.resize(group.first_blend);
      out_.passes.resize(group.first_pass);
    } else {
      // Sums on the way from cut to cut are then differences of two values, which need no rounding.
      std::sort(out_.members.begin() + group.first_member, out_.members.end(),
                [this](const WordMember& a, const WordMember& b) {
                  return splits_[a.split].bound - splits_[a.split].add < splits_[b.split].bound - splits_[b.split].add;
                });
    }
    group.n_blends = static_cast<std::int32_t>(out_.blends.size()) - group.first_blend;
    group.n_passes = static_cast<std::int32_t>(out_.passes.size()) - group.first_pass;
    out_.most_steps = std::max({out_.most_steps, group.n_blends, group.n_passes});
  }

  const ReplacementPlan& plan_;
  const std::vector<std::uint8_t>& missing_;
  WordTree& tree_;
  WordSplit* const splits_;
  WordProgram& out_;
  // Of the group at work.
  WordGroup* group_ = nullptr;
  std::int32_t number_ = 0, n_blends_ = 0, n_passes_ = 0;
};

}  // namespace

void number_values(const ReplacementPlan& plan, const std::vector<std::int32_t>& column_of, WordProgram& out) {
  out.value_at.assign(column_of.size(), -1);
  for (std::size_t f = 0; f < column_of.size(); ++f) {
    const std::int32_t player = plan.feature_player[f];
    if (player < 0 || column_of[f] < 0) continue;
    const auto n_jobs = static_cast<std::int32_t>(plan.job_offsets[player + 1] - plan.job_offsets[player]);
    out.value_at[f] = out.n_values;
    out.n_values += n_jobs;
    out.most_jobs = std::max(out.most_jobs, n_jobs);
  }
}

void add_groups(const ReplacementPlan& plan, const std::vector<std::uint8_t>& missing, WordProgram& out) {
  for (WordTree& tree : out.trees) TreeGroups(plan, missing, tree, out).run();
}

}  // namespace fastexplain
