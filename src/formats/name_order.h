// name_order.h: finding things by name, and names that appear twice, in n log n whatever the names are: a hash table
// can be made to collide by whoever wrote the file.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace facet {

// Positions of `items` in the order of name(item).
template <typename T, typename Name>
std::vector<std::uint32_t> order_by_name(const std::vector<T>& items, Name name) {
  std::vector<std::uint32_t> order(items.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    int c = std::string_view(name(items[a])).compare(name(items[b]));
    return c != 0 ? c < 0 : a < b;
  });
  return order;
}

// The second position of a name that appears twice.
template <typename T, typename Name>
std::optional<std::uint32_t> find_duplicate(const std::vector<T>& items, const std::vector<std::uint32_t>& order,
                                            Name name) {
  for (std::size_t i = 1; i < order.size(); ++i)
    if (std::string_view(name(items[order[i - 1]])) == name(items[order[i]])) return order[i];
  return std::nullopt;
}

// nullptr: no such name.
template <typename T, typename Name>
const T* find_by_name(const std::vector<T>& items, const std::vector<std::uint32_t>& order, std::string_view wanted,
                      Name name) {
  auto it = std::lower_bound(order.begin(), order.end(), wanted,
                             [&](std::uint32_t i, std::string_view w) { return std::string_view(name(items[i])) < w; });
  return it != order.end() && name(items[*it]) == wanted ? &items[*it] : nullptr;
}

}  // namespace facet
