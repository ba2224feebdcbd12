// sha256.h: SHA-256 of bytes that come in pieces.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace facet {

//   Sha256 hash;  hash.add(bytes);  hash.add(more);  hash.hex();     // once
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(std::span<const std::byte> bytes);
  std::string hex();  // 64 digits

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace facet
