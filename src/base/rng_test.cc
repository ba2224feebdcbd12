#include "base/rng.h"

#include <gtest/gtest.h>

namespace facet {
namespace {

TEST(Rng, PhiloxKnownAnswers) {  // the reference vectors published with Random123 (kat_vectors, philox4x32 10)
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Rng, SeekResumesTheSequence) {
  Rng a(7, 3), b(7, 3);
  for (int i = 0; i < 11; ++i) a.next_u32();
  b.seek(a.position());
  for (int i = 0; i < 9; ++i) EXPECT_EQ(a.next_u32(), b.next_u32());
}

TEST(Rng, StreamsDifferAndMomentsHold) {
  Rng a(1, 0), b(1, 1);
  EXPECT_NE(a.next_u32(), b.next_u32());
  double sum = 0, square = 0;
  for (int i = 0; i < 100000; ++i) {
    double x = a.normal();
    sum += x;
    square += x * x;
  }
  EXPECT_NEAR(sum / 1e5, 0.0, 0.015);
  EXPECT_NEAR(square / 1e5, 1.0, 0.02);
}

}  // namespace
}  // namespace facet
