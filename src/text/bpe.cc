#include "text/bpe.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <random>

#include "base/check.h"

namespace facet {
namespace {

// Finalizer of MurmurHash3: every input bit reaches every output bit.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdull;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ull;
  return x ^ (x >> 33);
}

// At most half full, so that a probe ends soon.
std::size_t table_size(std::size_t n) { return std::bit_ceil(std::max<std::size_t>(n * 2, 16)); }

constexpr std::size_t kBatch = 64;  // look-ups under way at once

constexpr std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }

std::uint64_t new_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

constexpr std::uint64_t pair_key(int left, int right) {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}

}  // namespace

std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed) {
  std::uint64_t hash = (bytes.size() * 0x9e3779b97f4a7c15ull) ^ seed;
  const char* p = bytes.data();
  std::size_t n = bytes.size();
  for (; n >= 8; p += 8, n -= 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    hash = mix(hash ^ word);
  }
  std::uint64_t tail = 0;
  for (std::size_t i = 0; i < n; ++i) tail |= std::uint64_t{static_cast<unsigned char>(p[i])} << (8 * i);
  return mix(hash ^ tail);
}

int PieceIndex::build(std::span<const std::string> pieces) {
  pieces_ = pieces;
  seed_ = new_seed();
  slots_.assign(table_size(pieces.size()), Slot());
  std::array<std::uint64_t, kBatch> hashes;
  for (std::size_t begin = 0; begin < pieces.size(); begin += kBatch) {
    const std::size_t n = std::min(kBatch, pieces.size() - begin);
    for (std::size_t i = 0; i < n; ++i) {
      hashes[i] = hash_bytes(pieces[begin + i], seed_);
      __builtin_prefetch(&slots_[hashes[i] & (slots_.size() - 1)], 1);
    }
    for (std::size_t i = 0; i < n; ++i) {
      if (find(pieces[begin + i], hashes[i]) >= 0) return static_cast<int>(begin + i);
      std::size_t slot = hashes[i] & (slots_.size() - 1);
      while (slots_[slot].id >= 0) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = {tag_of(hashes[i]), static_cast<std::int32_t>(begin + i)};
    }
  }
  return -1;
}

int PieceIndex::find(std::string_view piece, std::uint64_t hash) const {
  if (slots_.empty()) return -1;
  for (std::size_t slot = hash & (slots_.size() - 1); slots_[slot].id >= 0; slot = (slot + 1) & (slots_.size() - 1))
    if (slots_[slot].tag == tag_of(hash) && pieces_[static_cast<std::size_t>(slots_[slot].id)] == piece)
      return slots_[slot].id;
  return -1;
}

int PieceIndex::find(std::string_view piece) const { return find(piece, hash_bytes(piece, seed_)); }

void PieceIndex::find_all(std::span<const std::string_view> pieces, std::span<std::int32_t> ids) const {
  std::array<std::uint64_t, kBatch> hashes;
  for (std::size_t begin = 0; begin < pieces.size(); begin += kBatch) {
    const std::size_t n = std::min(kBatch, pieces.size() - begin);
    for (std::size_t i = 0; i < n; ++i) {
      hashes[i] = hash_bytes(pieces[begin + i], seed_);
      __builtin_prefetch(&slots_[hashes[i] & (slots_.size() - 1)]);
    }
    for (std::size_t i = 0; i < n; ++i)
      if (const Slot& slot = slots_[hashes[i] & (slots_.size() - 1)]; slot.id >= 0)
        __builtin_prefetch(&pieces_[static_cast<std::size_t>(slot.id)]);
    for (std::size_t i = 0; i < n; ++i) ids[begin + i] = find(pieces[begin + i], hashes[i]);
  }
}

void MergeTable::reserve(std::size_t n_merges) {
  slots_.assign(table_size(n_merges), Slot());
  seed_ = new_seed();
}

std::size_t MergeTable::slot_of(std::uint64_t key) const { return mix(key ^ seed_) & (slots_.size() - 1); }

void MergeTable::prefetch(int left, int right) const {
  if (left >= 0 && right >= 0) __builtin_prefetch(&slots_[slot_of(pair_key(left, right))], 1);
}

void MergeTable::insert(int left, int right, Merge merge) {
  FACET_DCHECK(left >= 0 && right >= 0, "only pieces merge");
  std::uint64_t key = pair_key(left, right);
  std::size_t slot = slot_of(key);
  for (; slots_[slot].key != ~0ull; slot = (slot + 1) & (slots_.size() - 1))
    if (slots_[slot].key == key) return;
  slots_[slot] = {key, merge};
}

MergeTable::Merge MergeTable::find(int left, int right) const {
  if (left < 0 || right < 0) return {};
  std::uint64_t key = pair_key(left, right);
  std::size_t slot = slot_of(key);
  for (; slots_[slot].key != ~0ull; slot = (slot + 1) & (slots_.size() - 1))
    if (slots_[slot].key == key) return slots_[slot].merge;
  return {};
}

void BpeMerger::merge(const MergeTable& table, std::vector<Symbol>& symbols) {
  if (symbols.size() < 2) return;
  links_.resize(symbols.size());
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) table.prefetch(symbols[i].id, symbols[i + 1].id);
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
    auto [rank, merged] = table.find(symbols[i].id, symbols[i + 1].id);
    links_[i] = {rank, merged, static_cast<std::int32_t>(i) - 1, static_cast<std::int32_t>(i) + 1};
  }
  links_.back() = {MergeTable::kNone, -1, static_cast<std::int32_t>(symbols.size()) - 2, -1};
  // A word has a few symbols: scanning them for the best pair beats keeping a heap up to some tens.
  constexpr std::size_t kShort = 24;
  symbols.size() <= kShort ? merge_short(table, symbols) : merge_long(table, symbols);
}

void BpeMerger::merge_short(const MergeTable& table, std::vector<Symbol>& symbols) {
  std::size_t n = symbols.size();
  for (;;) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < n; ++i)
      if (links_[i].rank < links_[best].rank) best = i;
    if (links_[best].rank == MergeTable::kNone) break;
    symbols[best] = {links_[best].merged, symbols[best].size_bytes + symbols[best + 1].size_bytes};
    for (std::size_t i = best + 1; i + 1 < n; ++i) {
      symbols[i] = symbols[i + 1];
      links_[i] = links_[i + 1];
    }
    --n;
    auto refresh = [&](std::size_t i) {
      auto [rank, merged] = i + 1 < n ? table.find(symbols[i].id, symbols[i + 1].id) : MergeTable::Merge();
      links_[i].rank = rank;
      links_[i].merged = merged;
    };
    if (best > 0) table.prefetch(symbols[best - 1].id, symbols[best].id);
    refresh(best);
    if (best > 0) refresh(best - 1);
  }
  symbols.resize(n);
}

void BpeMerger::merge_long(const MergeTable& table, std::vector<Symbol>& symbols) {
  // The least entry is the best rank, then the leftmost.  An entry is stale when the rank at its position has changed.
  auto entry = [&](std::size_t at) { return std::uint64_t{links_[at].rank} << 32 | at; };
  heap_.clear();
  for (std::size_t i = 0; i < symbols.size(); ++i)
    if (links_[i].rank != MergeTable::kNone) heap_.push_back(entry(i));
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  auto refresh = [&](std::int32_t at) {
    Link& link = links_[static_cast<std::size_t>(at)];
    auto [rank, merged] = link.next < 0 ? MergeTable::Merge()
                                        : table.find(symbols[static_cast<std::size_t>(at)].id,
                                                     symbols[static_cast<std::size_t>(link.next)].id);
    link.rank = rank;
    link.merged = merged;
    if (rank == MergeTable::kNone) return;
    heap_.push_back(entry(static_cast<std::size_t>(at)));
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  };
  while (!heap_.empty()) {
    std::uint64_t top = heap_.front();
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    heap_.pop_back();
    auto at = static_cast<std::size_t>(top & 0xFFFFFFFFu);
    Link& link = links_[at];
    if (link.rank != top >> 32) continue;
    auto gone = static_cast<std::size_t>(link.next);
    symbols[at] = {link.merged, symbols[at].size_bytes + symbols[gone].size_bytes};
    link.next = links_[gone].next;
    if (link.next >= 0) links_[static_cast<std::size_t>(link.next)].previous = static_cast<std::int32_t>(at);
    links_[gone].rank = MergeTable::kNone;
    refresh(static_cast<std::int32_t>(at));
    if (link.previous >= 0) refresh(link.previous);
  }
  std::size_t n = 0;
  for (std::int32_t i = 0; i >= 0; i = links_[static_cast<std::size_t>(i)].next)
    symbols[n++] = symbols[static_cast<std::size_t>(i)];
  symbols.resize(n);
}

}  // namespace facet
