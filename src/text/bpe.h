// bpe.h: the two tables behind byte-pair encoding, and the merging itself.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/huge_pages.h"

namespace facet {

// A fast hash for tables in memory; never written to a file.
std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed = 0);

// String -> id, open addressing: 8 bytes a slot, the strings stay where they are.
// `pieces` must outlive the index and keep its addresses.
// Here and below each table has a seed nobody can know: pieces chosen to collide would make it quadratic.
class PieceIndex {
 public:
  // The id of a piece that occurs twice, or -1.
  int build(std::span<const std::string> pieces);
  int find(std::string_view piece) const;  // -1 when absent
  // find() of many, several times as fast: what one look-up waits for is asked of memory while others are under way.
  void find_all(std::span<const std::string_view> pieces, std::span<std::int32_t> ids) const;

 private:
  int find(std::string_view piece, std::uint64_t hash) const;
  struct Slot {
    std::uint32_t tag = 0;  // the hash's upper half: most look-ups compare one string, the right one
    std::int32_t id = -1;
  };
  std::span<const std::string> pieces_;
  std::vector<Slot, HugePageAllocator<Slot>> slots_;
  std::uint64_t seed_ = 0;
};

// (left id, right id) -> (rank, id of the two together); a lower rank merges first.
class MergeTable {
 public:
  struct Merge {
    std::uint32_t rank = kNone;
    std::int32_t id = -1;
  };
  static constexpr std::uint32_t kNone = 0xFFFFFFFFu;  // rank of a pair that does not merge

  void reserve(std::size_t n_merges);  // before the first insert
  // The first of two equal pairs stays: a later one could never apply.
  void insert(int left, int right, Merge merge);
  void prefetch(int left, int right) const;  // asks memory for what insert() and find() of this pair will touch
  Merge find(int left, int right) const;     // ids may be negative: nothing merges with them

 private:
  struct Slot {
    std::uint64_t key = ~0ull;
    Merge merge;
  };
  std::size_t slot_of(std::uint64_t key) const;
  std::vector<Slot, HugePageAllocator<Slot>> slots_;
  std::uint64_t seed_ = 0;
};

// One symbol of a text being merged: a piece, or a character that is no piece (id < 0).
struct Symbol {
  std::int32_t id;
  std::uint32_t size_bytes;  // of the text it stands for
};

// Merges the best-ranked adjacent pair, the leftmost among equals, until none is left: O(n log n).
// Holds only scratch memory, so that many short texts cost no allocation.
class BpeMerger {
 public:
  void merge(const MergeTable& table, std::vector<Symbol>& symbols);

 private:
  struct Link {
    std::uint32_t rank;  // of the pair this symbol makes with the next one
    std::int32_t merged, previous, next;
  };
  void merge_short(const MergeTable& table, std::vector<Symbol>& symbols);
  void merge_long(const MergeTable& table, std::vector<Symbol>& symbols);
  std::vector<Link> links_;
  std::vector<std::uint64_t> heap_;  // rank << 32 | position
};

}  // namespace facet
