// Eight doubles that every instruction set works on side by side, whatever the width of its vectors.
#pragma once

namespace fastexplain {

// Sums over the eight are taken in one order, so that every instruction set gives the same bits.
inline constexpr int kOctet = 8;

}  // namespace fastexplain
