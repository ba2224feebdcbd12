#include "model/checkpoint.h"

namespace facet {

void Checkpoint::set(const std::string& name, Tensor tensor) {
  auto owned = std::make_shared<const Tensor>(std::move(tensor));
  tensors[name] = owned->view();
  owners.push_back(std::move(owned));
}

std::uint64_t Checkpoint::byte_size() const {
  std::uint64_t bytes = 0;
  for (const auto& [name, t] : tensors) bytes += t.bytes.size() + t.row_scales.size_bytes();
  return bytes;
}

double Checkpoint::bits_per_weight() const {
  double elements = 0;
  for (const auto& [name, t] : tensors) elements += double(element_count(t.shape));
  return elements == 0 ? 0 : 8.0 * double(byte_size()) / elements;
}

}  // namespace facet
